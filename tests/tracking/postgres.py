"""A PostgreSQL of its own for tests, which are skipped where it is missing."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

USER = "nobody"
"""Who runs the server where the tests are root, whom it refuses."""


def programs() -> Path | None:
    """Where PostgreSQL's programs are; Debian's package puts only its clients on the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    there = str(found[-1]) if found else shutil.which("initdb")
    return Path(there).parent if there else None


@contextmanager
def server() -> Iterator[str]:
    """Start one, and give the beginning of its databases' addresses."""
    pytest.importorskip("psycopg")
    bin_ = programs()
    if bin_ is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    who: dict[str, Any] = {}
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # sockets have short paths
    if os.geteuid() == 0:
        who = {"user": USER, "group": "nogroup", "extra_groups": []}
        shutil.chown(folder, USER)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    data = str(folder / "data")
    told: dict[str, Any] = {"stdout": subprocess.DEVNULL, "cwd": "/", **who}
    init = [f"{bin_}/initdb", "--pgdata", data, "--username", "bench", "--auth", "trust"]
    try:
        subprocess.run([*init, "--no-sync"], check=True, **told)
        with subprocess.Popen(
            [bin_ / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", str(folder)],
            stderr=subprocess.DEVNULL,
            **told,
        ) as process:
            try:
                _wait_for(port)
                yield f"postgresql://bench@127.0.0.1:{port}"
            finally:
                process.send_signal(signal.SIGINT)  # which waits for no client
    finally:
        shutil.rmtree(folder)


def new_database(address: str) -> str:
    """Make an empty database, and give its address."""
    import psycopg

    name = f"b{uuid.uuid4().hex[:8]}"
    with psycopg.connect(f"{address}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return f"{address}/{name}"


def _wait_for(port: int) -> None:
    import psycopg

    until = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(f"postgresql://bench@127.0.0.1:{port}/postgres").close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
