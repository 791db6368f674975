"""Turns names of templates and style sheets into what pages are filled from."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from benchmark.report.filters import FILTERS


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
