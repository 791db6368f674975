"""Turns the URL of a zip into a file, downloaded once and whole."""

from __future__ import annotations

import hashlib
import http.client
import logging
import shutil
import urllib.error
import urllib.request
import zipfile
from base64 import b64encode
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from benchmark.data.cache import cache_folder
from benchmark.processes.leftovers import unfinished
from registry.errors import UserError

SCHEMES = ("http://", "https://")
TIMEOUT = 30
"""Seconds without an answer after which a server is taken for gone."""
_CHUNK = 1 << 20
logger = logging.getLogger(__name__)


def download_zip(url: str, home: Path) -> Path:
    """Download a zip, unless that was done before.

    Args:
        url: Begins with one of `SCHEMES`; may name a user and a password.
        home: Folder where it is kept, under a hash of the URL.

    Raises:
        UserError: It cannot be had, or is no zip.
    """
    parts = urlsplit(url)
    name = PurePosixPath(unquote(parts.path)).name or parts.netloc
    folder = cache_folder(home, "downloads") / hashlib.sha256(url.encode()).hexdigest()[:16]
    if not folder.exists():
        shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        logger.info("downloading %s", shown)
        with unfinished(folder) as partial:
            partial.mkdir()
            try:
                _fetch(url, partial / name)
            except (OSError, http.client.HTTPException, ValueError) as error:
                reason = getattr(error, "reason", None) or error
                raise UserError(
                    f"{shown} cannot be had ({reason}); check it and the connection, or download "
                    "it and name the file"
                ) from error
            if not zipfile.is_zipfile(partial / name):
                raise UserError(f"{shown} is no zip; name the address of one, or a folder")
    return folder / name


def _fetch(url: str, file: Path) -> None:
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(parts._replace(netloc=host).geturl())
    if at:
        basic = b64encode(unquote_to_bytes(user)).decode()
        request.add_unredirected_header("Authorization", f"Basic {basic}")
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer, file.open("wb") as kept:
        shutil.copyfileobj(answer, kept, _CHUNK)
        expected = answer.headers.get("Content-Length")
        if expected is not None and kept.tell() != int(expected):
            raise urllib.error.ContentTooShortError(
                f"{kept.tell():,} of {int(expected):,} bytes came", (str(file), answer.headers)
            )
