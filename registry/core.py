"""Turns names and globs into registered specs."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from registry.errors import UserError
from registry.plugins import plugins
from registry.printable import listed

_SHOWN = 12


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str:
        """The name under which it is registered."""
        ...


T = TypeVar("T", bound=Named)


def near(name: str, known: Iterable[str]) -> str:
    """Say which known names are near a wrong one, or list them all.

    Args:
        name: What was typed.
        known: What could have been typed.

    Returns:
        ``did you mean …?`` with the nearest names, or ``there are …`` with the first few.
    """
    known = sorted({*known})
    if matches := difflib.get_close_matches(name, known, n=3, cutoff=0.6):
        return f"did you mean {' or '.join(matches)}?"
    return f"there are {listed(known, _SHOWN)}"


def no_such(kind: str, name: str, known: Iterable[str]) -> UserError:
    """Say that nothing registered has a name, what is near, and which plugins are missing.

    Args:
        kind: What the name is of: ``model``, ``head``, ``system``.
        name: What was typed.
        known: What could have been typed.
    """
    broken = "".join(f"; {error}" for error in plugins.broken)
    error = UserError(f"no {kind} is called {name!r}; {near(name, known)}{broken}")
    error.__cause__ = plugins.broken[0] if plugins.broken else None
    return error


def match_names(globs: Iterable[str], known: Iterable[str], kind: str) -> list[str]:
    """Resolve names and globs against known names, in the order of the known names.

    Args:
        globs: Names or shell patterns such as ``resnet18*``.
        known: All names, ordered.
        kind: What the names are of, for the error.

    Raises:
        UserError: A pattern matches nothing.
    """
    known = list(known)
    chosen: set[str] = set()
    for glob in globs:
        matched = fnmatch.filter(known, glob)
        if not matched:
            raise no_such(kind, glob, known)
        chosen.update(matched)
    return [name for name in known if name in chosen]


class Registry(Generic[T]):
    """Specs by name; the built-in ones and the plugins' are loaded when first asked for."""

    def __init__(
        self,
        kind: str,
        load: Callable[[], None],
        resolve: Callable[[str], T | None] = lambda name: None,
    ) -> None:
        """Create an empty registry.

        Args:
            kind: What it holds, for messages: ``model``, ``head``.
            load: Imports the built-in definitions and plugins, which then register themselves.
            resolve: Makes a spec for a name of an open family, such as ``timm:NAME``; None for
                other names; UserError for a wrong name of that family.
        """
        self.kind = kind
        self._load = load
        self._resolve = resolve
        self._loaded = False
        self._specs: dict[str, T] = {}

    def add(self, spec: T) -> T:
        """Register a spec under its name.

        Raises:
            UserError: The name is taken by another spec.
        """
        if spec.name in self._specs:
            raise UserError(f"two {self.kind}s are called {spec.name!r}; rename one of them")
        self._specs[spec.name] = spec
        return spec

    def remove(self, name: str) -> None:
        """Take a spec out again, as tests do with theirs."""
        del self._specs[name]

    @contextmanager
    def undone_if_it_fails(self) -> Iterator[None]:
        """Take back what the ``with`` block registers if it raises."""
        before = dict(self._specs)
        try:
            yield
        except BaseException:
            self._specs = before
            raise

    def __getitem__(self, name: str) -> T:
        """Look a spec up.

        Raises:
            UserError: No spec has that name; suggests near ones.
        """
        specs = self._all()
        if name not in specs:
            if resolved := self._resolve(name):
                return resolved
            raise no_such(self.kind, name, specs)
        return specs[name]

    def __iter__(self) -> Iterator[T]:
        return iter(list(self._all().values()))

    def _all(self) -> dict[str, T]:
        if not self._loaded:
            self._loaded = True  # before the load: plugins may look names up while they register
            try:
                self._load()
            except BaseException:
                self._loaded = False
                raise
        return self._specs
