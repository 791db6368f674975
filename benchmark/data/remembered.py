"""Turns a question about the code into the answer that the same code gave before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import registry
from benchmark.data.cache import cache_folder, read_kept
from benchmark.processes.leftovers import unfinished
from benchmark.study.plan import content_hash

_ASKED = ("study", "training", "evaluation", "audit")
"""Rooms whose code answers, besides the registry."""
_PACKAGES = ("torch", "torchvision", "timm", "scikit-learn", "xgboost")
"""Whose code does, too."""
_Answer = TypeVar("_Answer")


def remembered(
    home: Path,
    name: str,
    question: object,
    find: Callable[[], _Answer],
    *,
    makes_home: bool = False,
) -> _Answer:
    """Answer what takes long to find, out of a file if the same code was asked before.

    Args:
        home: Folder of what is kept between commands.
        name: Of the question, for the file.
        question: All that the answer depends on besides the code; goes into JSON.
        find: Finds the answer, which goes into JSON. What it raises is not kept.
        makes_home: Whether the answer is kept though nothing is there yet.
    """
    file = home / "answers" / f"{name}-{content_hash(question, _code())}.json"
    if kept := read_kept(file, _read):
        (answer,) = kept
        return answer  # type: ignore[no-any-return]
    answer = find()
    if not (makes_home or home.exists()):
        return answer
    with suppress(OSError):  # no room: it is found again the next time
        cache_folder(home, "answers")
        with unfinished(file) as path:
            path.write_text(json.dumps([answer]), encoding="utf-8")
    return answer


def _read(file: Path) -> list[Any]:
    (answer,) = json.loads(file.read_text(encoding="utf-8"))
    return [answer]


@cache
def _code() -> str:
    """Hash of the code and the packages that answer."""
    code = hashlib.sha256(json.dumps([version(name) for name in _PACKAGES]).encode())
    ours = Path(__file__).parents[1]
    for folder in (Path(registry.__path__[0]), *(ours / room for room in _ASKED)):
        for file in sorted(folder.rglob("*.py")):
            code.update(file.read_bytes())
    return code.hexdigest()
