"""Turns names and globs into registered specs."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import entry_points
from typing import Generic, Protocol, TypeVar

from registry.errors import PluginError, UserError

PLUGIN_GROUP = "bench.plugins"
_SHOWN = 12


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str:
        """The name under which it is registered."""
        ...


T = TypeVar("T", bound=Named)


def load_plugins() -> None:
    """Import each module of the entry-point group ``bench.plugins``: importing it registers.

    Raises:
        PluginError: A plugin cannot be imported; names the plugin and its error.
    """
    for entry_point in entry_points(group=PLUGIN_GROUP):
        try:
            entry_point.load()
        except Exception as error:
            raise PluginError(
                f"plugin {entry_point.name} ({entry_point.value}) cannot be loaded: "
                f"{type(error).__name__}: {error}; mend it or uninstall its package"
            ) from error


def near(name: str, known: Iterable[str]) -> str:
    """Say which known names are near a wrong one, or list them all.

    Args:
        name: What was typed.
        known: What could have been typed.

    Returns:
        ``did you mean …?`` with the nearest names, or ``there are …`` with the first few.
    """
    known = sorted(known)
    if matches := difflib.get_close_matches(name, known, n=3, cutoff=0.6):
        return f"did you mean {' or '.join(matches)}?"
    shown, rest = known[:_SHOWN], len(known) - _SHOWN
    return f"there are {', '.join(shown)}" + (f" and {rest} more" if rest > 0 else "")


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
            raise UserError(f"no {kind} is called {glob!r}; {near(glob, known)}")
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

    def __getitem__(self, name: str) -> T:
        """Look a spec up.

        Raises:
            UserError: No spec has that name; suggests near ones.
        """
        specs = self._all()
        if name not in specs:
            if resolved := self._resolve(name):
                return resolved
            raise UserError(f"no {self.kind} is called {name!r}; {near(name, specs)}")
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
