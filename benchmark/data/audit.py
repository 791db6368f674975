"""Turns a prepared data set into a list of what is doubtful about it."""

from __future__ import annotations

from dataclasses import dataclass

from benchmark.data.prepared import PreparedData


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that a careful user would look at.

    Attributes:
        kind: ``left out``, ``copy`` or ``copy in another class``.
        name: The file.
        detail: The reason, or the file that it copies.
    """

    kind: str
    name: str
    detail: str


def audit(data: PreparedData) -> list[Finding]:
    """List undecodable files and byte-identical copies, those across classes first.

    Copies stay in the data; the splits keep them together.
    """
    copies: list[Finding] = []
    conflicts: list[Finding] = []
    first: dict[str, tuple[str, str]] = {}
    for sample in data.samples:
        label, name = first.setdefault(sample.digest, (sample.label, sample.name))
        if name == sample.name:
            continue
        if label == sample.label:
            copies.append(Finding(kind="copy", name=sample.name, detail=f"of {name}"))
        else:
            conflicts.append(
                Finding(kind="copy in another class", name=sample.name, detail=f"of {name}")
            )
    left_out = [
        Finding(kind="left out", name=entry.name, detail=entry.reason) for entry in data.left_out
    ]
    return conflicts + copies + left_out
