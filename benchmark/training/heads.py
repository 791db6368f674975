"""Turns a fitted head into a file and back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from registry import heads
from registry.errors import UserError


def save_head(classifier: Any, folder: Path) -> Path:
    """Write a fitted head without pickle: XGBoost in its own format, others by skops.

    Returns:
        The file, ``head.ubj`` or ``head.skops``.
    """
    if hasattr(classifier, "save_model"):
        path = folder / "head.ubj"
        classifier.save_model(path)
        return path
    from zipfile import ZIP_DEFLATED

    from skops.io import dump

    path = folder / "head.skops"
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
        UserError: The file would load code of other packages than scikit-learn and the head's own.
    """
    if path.suffix != ".skops":
        classifier: Any = heads[name].make(seed=0, jobs=os.cpu_count() or 1)
        classifier.load_model(path)
        return classifier
    from skops.io import get_untrusted_types, load

    types = get_untrusted_types(file=path)
    trusted = ("sklearn", heads[name].factory.__module__.partition(".")[0])
    if foreign := [type_ for type_ in types if type_.partition(".")[0] not in trusted]:
        raise UserError(f"{path} is not loaded, since it holds {', '.join(foreign)}; fit it again")
    return load(path, trusted=types)
