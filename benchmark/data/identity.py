"""Turns a source's files into hashes of their content, and the data set into one."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from benchmark.data.decode import Undecodable, Unreadable, read_file
from benchmark.data.findings import LeftOut
from benchmark.data.layout import ImageFile
from benchmark.data.sources import Source
from registry.errors import UserError

STORE_VERSION = 3
"""Raise it when decoding or the search for copies changes: it is part of every fingerprint."""


def digest_of(data: bytes) -> str:
    """Hash a file's content."""
    return hashlib.sha256(data).hexdigest()[:32]


def identify(source: Source) -> Source:
    """Hash the content of all files that were not hashed yet; what cannot be read is left out."""
    files: list[ImageFile] = []
    left_out: list[LeftOut] = []
    for file in source.files:
        try:
            digest = file.digest or digest_of(read_file(file.path))
        except Undecodable as error:
            left_out.append(LeftOut(name=file.name, reason=str(error)))
        else:
            files.append(replace(file, digest=digest, group=file.group or digest))
    return replace(source, files=tuple(files), left_out=(*source.left_out, *left_out))


def gone(file: ImageFile, error: Unreadable) -> UserError:
    """What to tell if a file that was identified cannot be read: nothing may be kept without it."""
    return UserError(
        f"{file.path} could be read a moment ago, and no longer ({error}); "
        "type the same again, or leave it out: --exclude FILE"
    )


def fingerprint(source: Source) -> str:
    """Hash every file's part, class, name, bytes and copies, once they are identified."""
    whole = hashlib.sha256(f"version {STORE_VERSION}".encode())
    for file in source.files:
        parts = (file.split, file.label, file.rest, file.digest, file.group, file.shared)
        whole.update("".join(f"\0{part}" for part in parts).encode())
    return whole.hexdigest()[:16]
