"""Turns what the user wants to sweep into names of systems, before anything heavy is imported."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.study.suite import BEYOND, EMBEDDED, STUDY_HEADS, find_systems, systems
from registry import heads
from registry.core import no_such
from registry.errors import UserError

TREES = "trees"


@dataclass(frozen=True, kw_only=True)
class Names:
    """What is swept.

    Attributes:
        heads: Heads on backbones, as `find_systems` takes them.
        networks: Networks whose training is varied.
    """

    heads: tuple[str, ...]
    networks: tuple[str, ...]


def resolve(names: Sequence[str]) -> Names:
    """Tell heads from networks.

    Args:
        names: ``trees`` for the study's heads, heads, heads on a backbone such as
            ``resnet18-frozen/extra_trees``, or networks such as ``resnet18-staged``; globs, too.

    Raises:
        UserError: A name matches nothing.
    """
    known = [head.name for head in heads]
    on_backbones: list[str] = []
    networks: list[str] = []
    for name in names:
        found = [one for one in known if one in STUDY_HEADS] if name == TREES else []
        if found := found or fnmatch.filter(known, name):
            on_backbones += [
                f"{backbone.name}/{head}"
                for head in found
                for group, backbone in EMBEDDED.items()
                if (group == BEYOND) != (head in STUDY_HEADS)
            ]
        elif "/" in name:
            find_systems([name])
            on_backbones.append(name)
        else:
            networks += _networks(name, known)
    return Names(heads=tuple(on_backbones), networks=tuple(networks))


def _networks(name: str, known_heads: Sequence[str]) -> list[str]:
    try:
        found = [system.name for system in find_systems([name]) if system.head is None]
    except UserError as error:
        if name.startswith("timm:"):
            raise
        networks = [system.name for system in systems() if system.head is None]
        raise no_such("head or network", name, [*known_heads, *networks]) from error
    return found
