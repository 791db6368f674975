"""Turns the factory of a plugin's model or head into a hash of the code that it is of."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from registry.errors import is_ours


def module_of(factory: Callable[..., Any]) -> str:
    """Name the module that a factory was defined in."""
    while isinstance(factory, partial):
        factory = factory.func
    return factory.__module__


def code_id(factory: Callable[..., Any]) -> str:
    """Hash the code of a plugin, so that results of other code are not taken for its own.

    It is all Python files of the factory's top package, or its one module; of what is defined in a
    script or a notebook, the source of the factory alone.

    Returns:
        16 hexadecimal digits; empty for a factory of this package, or one without source.
    """
    module = module_of(factory)
    if is_ours(module):
        return ""
    top = module.partition(".")[0]
    try:
        if top != "__main__":
            return _hash_of(module, top)
        source = inspect.getsource(factory.func if isinstance(factory, partial) else factory)
    except (OSError, TypeError):  # it was typed in, or comes from a compiled module
        return ""
    return hashlib.sha256(source.encode()).hexdigest()[:16]


@lru_cache
def _hash_of(module: str, top: str) -> str:
    # A package without __init__.py has no file, and may have folders of other distributions.
    files = [getattr(sys.modules.get(name), "__file__", None) for name in (top, module)]
    file = Path(next(filter(None, files), ""))
    folders = map(Path, getattr(sys.modules.get(top), "__path__", ()))
    own = next((folder for folder in folders if file.is_relative_to(folder)), None)
    whole = hashlib.sha256()
    for one in sorted({file, *own.rglob("*.py")}) if own else [file]:
        whole.update(f"{one.relative_to(own or file.parent)} {one.stat().st_size} ".encode())
        whole.update(one.read_bytes())
    return whole.hexdigest()[:16]
