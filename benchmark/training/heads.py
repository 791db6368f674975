"""Turns a fitted head into a file and back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from registry import heads
from registry.errors import UserError, code_of

HEAD_FILES = ("head.skops", "head.ubj")
"""scikit-learn's by skops, and what a classifier writes itself, as XGBoost's does."""


def save_head(classifier: Any, folder: Path) -> Path:
    """Write a fitted head without pickle.

    Returns:
        The file, one of `HEAD_FILES`.
    """
    if hasattr(classifier, "save_model"):
        path = folder / HEAD_FILES[1]
        classifier.save_model(path)
        return path
    from zipfile import ZIP_DEFLATED

    from skops.io import dump

    path = folder / HEAD_FILES[0]
    dump(classifier, path, compression=ZIP_DEFLATED)
    return path


def load_head(name: str, path: Path) -> Any:
    """Read what `save_head` wrote.

    Args:
        name: Of the head.
        path: The file.

    Returns:
        The fitted classifier.

    Raises:
        UserError: The file holds a type that such a head does not write: loading would call it.
        Exception: Of several libraries: it is damaged, or another kind of file.
    """
    spec = heads[name]
    classifier: Any = spec.make(seed=0, jobs=os.cpu_count() or 1, **spec.grid[0])
    if path.suffix != ".skops":
        with code_of(f"head {name}", spec.factory.__module__):
            classifier.load_model(path)
        return classifier
    from skops.io import get_untrusted_types, load
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        head = load(path, trusted=[*spec.trusted_types])
    except UntrustedTypesFoundException as error:
        found = sorted({*get_untrusted_types(file=path)} - {*spec.trusted_types})
        raise UserError(
            f"{path.name} is not loaded: it holds {', '.join(found)}, which is none of the "
            f"trusted_types of the head {name}, so that it may run any program; fit it again"
        ) from error
    if type(head) is not type(classifier):
        raise TypeError(f"it holds a {type(head).__name__}, not a {type(classifier).__name__}")
    return head
