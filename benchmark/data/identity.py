"""Turns a source's files into hashes of their content, and the data set into one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

from benchmark.data.decode import Undecodable, Unreadable, reading
from benchmark.data.findings import LeftOut
from benchmark.data.layout import ImageFile
from benchmark.data.sources import Source
from benchmark.data.threads import in_threads
from registry.errors import UserError

STORE_VERSION = 3
"""Raise it when decoding or the search for copies changes: it is part of every fingerprint."""


def digest_of(data: bytes) -> str:
    """Hash a file's content."""
    return hashlib.sha256(data).hexdigest()[:32]


def identify(
    source: Source, progress: Callable[[int, int], None] = lambda done, total: None
) -> Source:
    """Hash the content of all files, unless they are hashed; what cannot be read is left out.

    Args:
        source: The files: none of them was hashed, or all were.
        progress: Called with (files done, files in all).
    """
    if all(file.digest for file in source.files):
        return source
    files: list[ImageFile] = []
    left_out: list[LeftOut] = []
    with in_threads(_hash, source.files) as hashed:
        for done, result in enumerate(hashed, start=1):
            if isinstance(result, LeftOut):
                left_out.append(result)
            else:
                files.append(result)
            progress(done, len(source.files))
    return replace(source, files=tuple(files), left_out=(*source.left_out, *left_out))


def _hash(file: ImageFile) -> ImageFile | LeftOut:
    try:
        with reading(file.path) as data:
            digest = digest_of(data)
    except Undecodable as error:
        return LeftOut(name=file.name, reason=str(error))
    return replace(file, digest=digest, group=file.group or digest)


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
