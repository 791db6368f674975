"""Turns names of templates and style sheets into what pages are filled from; writes pages."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from benchmark.processes.leftovers import rewriting
from benchmark.report.filters import FILTERS
from registry.errors import UserError


@cache
def environment() -> Environment:
    """Where the pages' templates are, with the filters that they use."""
    made = Environment(
        loader=PackageLoader("benchmark.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(FILTERS)
    return made


def source(*names: str) -> Markup:
    """Style sheets or scripts as they are, one after the other."""
    loader = environment().loader
    assert loader is not None
    return Markup("".join(loader.get_source(environment(), name)[0] for name in names))


def write_page(page: str, out: Path) -> None:
    """Write a page.

    Raises:
        UserError: The file cannot be written.
    """
    try:
        with rewriting(out) as path:
            path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{out} cannot be written ({error.strerror}); name another file: --out FILE"
        ) from error
