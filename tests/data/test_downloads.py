"""Zips by their URL, from a real server: downloaded once and whole, or told in one line."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmark.cli import main
from registry.errors import UserError
from tests.data.images import write_tree
from tests.data.trees import FLAT, labels, opened


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        if self.path.startswith("/private/"):
            if self.headers.get("Authorization") != "Basic bWU6cDpAc3M=":  # me:p:@ss
                return self.send_error(401, "who are you")
            self.path = self.path.removeprefix("/private")
        if self.path != "/short.zip":
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"PK too little")
        return None


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a server, and its folder."""
    folder = tmp_path / "web"
    write_tree(tmp_path / "Some Monsters", FLAT)
    folder.mkdir()
    shutil.make_archive(str(folder / "my monsters"), "zip", tmp_path / "Some Monsters")
    (folder / "page.html").write_text("no zip")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    server.server_close()


def test_a_zip_is_downloaded_once(served: tuple[str, Path], tmp_path: Path) -> None:
    address, folder = served
    for _ in range(2):
        source = opened(f"{address}/my%20monsters.zip", tmp_path / "home")
        assert source.name == "my monsters"
        assert labels(source.files) == FLAT
        (folder / "my monsters.zip").unlink(missing_ok=True)


def test_a_zip_may_want_a_user_and_a_password(served: tuple[str, Path], tmp_path: Path) -> None:
    host = served[0].removeprefix("http://")
    with pytest.raises(
        UserError, match=f"^http://{host}/private/my%20monsters.zip cannot .*who are"
    ):
        opened(f"http://me:wrong@{host}/private/my%20monsters.zip", tmp_path)
    source = opened(f"http://me:p:%40ss@{host}/private/my%20monsters.zip", tmp_path)
    assert labels(source.files) == FLAT


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("gone.zip", r"gone.zip cannot be had \(.*not found.*\); check it and the connection, or"),
        ("short.zip", r"short.zip cannot be had \(13 of 1,000 bytes came\)"),
        ("page.html", "page.html is no zip; name the address of one"),
    ],
)
def test_what_cannot_be_had_is_told_and_not_kept(
    served: tuple[str, Path], tmp_path: Path, path: str, told: str
) -> None:
    with pytest.raises(UserError, match=f"(?i){told}"):
        opened(f"{served[0]}/{path}", tmp_path / "home")
    kept = {file.name for file in (tmp_path / "home/downloads").iterdir()}
    assert kept == {"CACHEDIR.TAG"}


def test_a_server_that_is_not_there_is_told_in_one_line_without_its_token(
    workplace: Path,
) -> None:
    command = ["data", "http://127.0.0.1:9/a.zip?token=secret"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2
    first, second = result.stderr.splitlines()
    assert first == "downloading http://127.0.0.1:9/a.zip"
    assert second.startswith("Error: http://127.0.0.1:9/a.zip cannot be had ([Errno 111] Connecti")
