"""Turns what the user wants to sweep into names of systems, before anything heavy is imported."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from benchmark.study.suite import BEYOND, EMBEDDED, STUDY_HEADS, find_systems, systems
from registry import heads
from registry.core import no_such
from registry.errors import UserError

TREES = "trees"


def resolve(names: Sequence[str]) -> list[str]:
    """Find what is swept: networks and, on each backbone, heads.

    Args:
        names: ``trees`` for the study's heads, heads, heads on a backbone such as
            ``resnet18-frozen/extra_trees``, or networks such as ``resnet18-staged``; globs, too.

    Raises:
        UserError: A name matches nothing.
    """
    known = [head.name for head in heads]
    resolved: list[str] = []
    for name in names:
        found = [one for one in known if one in STUDY_HEADS] if name == TREES else []
        if found := found or fnmatch.filter(known, name):
            resolved += [
                f"{backbone.name}/{head}"
                for head in found
                for group, backbone in EMBEDDED.items()
                if (group == BEYOND) != (head in STUDY_HEADS)
            ]
        elif "/" in name:
            find_systems([name])
            resolved.append(name)
        else:
            resolved += _networks(name, known)
    return resolved


def _networks(name: str, known_heads: Sequence[str]) -> list[str]:
    try:
        if found := [system.name for system in find_systems([name]) if system.head is None]:
            return found
    except UserError:
        if name.startswith("timm:"):
            raise
    networks = [system.name for system in systems() if system.head is None]
    raise no_such("head or network", name, [TREES, *known_heads, *networks])
