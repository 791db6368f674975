"""Turns a prepared data set into a list of what is doubtful about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from benchmark.data.findings import Finding
from benchmark.data.image_store import Sample
from benchmark.data.names import counted, natural_key
from benchmark.data.prepared import PreparedData
from registry.errors import UserError
from registry.printable import listed

ACROSS = " in another class"
"""How kinds of findings end that name a copy of an image of another class."""
_TINY, _IMBALANCE = 10, 10
"""Images of a class, and how many times those of another, that a user should know of."""
_NAMED = 12
"""How many classes a line names."""


def check_classes(data: PreparedData) -> None:
    """See that the classes can be told apart and tested.

    Raises:
        UserError: There is one, or some are too small; names all of them, and how to go without.
    """
    if len(data.class_names) < 2:
        raise UserError(
            f"{data.spec.name} has images of one class, {data.class_names[0]!r}; two are needed"
        )
    if small := data.too_small():
        reasons: dict[str, list[str]] = {}
        for label in sorted(small, key=natural_key):
            reasons.setdefault(small[label], []).append(repr(label))
        told = "; ".join(f"{reason}: {listed(names, _NAMED)}" for reason, names in reasons.items())
        noun = "class has" if len(small) == 1 else "classes have"
        shared, near = _contested(data, small)
        enough_left = len(data.class_names) - len(small) >= 2
        advice = ", or leave such classes out: --set data.min_images=3" if enough_left else ""
        if near:
            advice += ", or take near copies for images of their own: --set data.near_copies=false"
        raise UserError(
            f"{len(small)} {noun} too few images for a train, a val and a test part ({told}"
            f"{shared}); add different images{advice}"
        )


def _contested(data: PreparedData, labels: Collection[str]) -> tuple[str, bool]:
    """Say how many images of some classes are also in another, and whether as near copies."""
    classes: dict[str, set[str]] = {}
    digests: dict[str, set[str]] = {}
    for sample in data.samples:
        classes.setdefault(sample.group, set()).add(sample.label)
        digests.setdefault(sample.group, set()).add(sample.digest)
    own = [one for one in data.samples if one.label in labels and len(classes[one.group]) > 1]
    if not own:
        return "", False
    told = f"; {counted(len(own), 'image')} of theirs also in another class, and thus for train"
    return told, any(len(digests[one.group]) > 1 for one in own)


def audit(data: PreparedData) -> list[Finding]:
    """List what a careful user would look at, the worst first: copies across classes.

    Copies stay in the data: the splits keep them together, and those in several classes are
    trained on.
    """
    copies = list(_copies(data))
    return [
        *(finding for finding in copies if finding.kind.endswith(ACROSS)),
        *data.findings,
        *(
            Finding(kind="too few images", name=label, detail=reason)
            for label, reason in data.too_small().items()
        ),
        *_balance(data),
        *_shades(data),
        *(finding for finding in copies if not finding.kind.endswith(ACROSS)),
        *(Finding(kind="left out", name=one.name, detail=one.reason) for one in data.left_out),
    ]


def warnings(data: PreparedData) -> list[str]:
    """Say in a few lines what a user should know before a run."""
    kinds: dict[str, list[str]] = {}
    for finding in [*data.findings, *_balance(data)]:
        kinds.setdefault(finding.kind, []).append(finding.name)
    lines = [f"{kind}: {listed(names, _NAMED)}" for kind, names in kinds.items()]
    shades = Counter(sample.shade for sample in data.samples if sample.shade)
    counts = [f"{counted(n, 'image')} nearly {shade}" for shade, n in shades.items()]
    counts += _told_copies(data)
    if data.left_out:
        counts.append(f"{counted(len(data.left_out), 'file')} left out")
    if lines or counts:
        counts.append("bench data DIR lists all")
    return [*lines, "; ".join(counts)] if counts else lines


def _told_copies(data: PreparedData) -> Iterator[str]:
    kinds = Counter(finding.kind.endswith(ACROSS) for finding in _copies(data))
    if kinds[False]:
        yield f"{counted(kinds[False], 'copy')}, which share a part"
    if kinds[True]:
        yield f"{counted(kinds[True], 'image')} also in another class, which are trained on"
    if shared := sum(sample.shared for sample in data.samples):
        yield f"{counted(shared, 'image')} of val and test whose copies in other parts are left out"


def _copies(data: PreparedData) -> Iterator[Finding]:
    first: dict[str, Sample] = {}
    same: dict[str, Sample] = {}
    for sample in data.samples:
        original = first.setdefault(sample.group, sample)
        original = same.setdefault(sample.digest, original if original is sample else sample)
        if original is sample:
            original = first[sample.group]
        if original is not sample:
            kind = "copy" if sample.digest == original.digest else "near copy"
            if sample.label != original.label:
                kind += ACROSS
            yield Finding(kind=kind, name=sample.name, detail=f"of {original.name}")


def _balance(data: PreparedData) -> Iterator[Finding]:
    """Classes of which there are too few images to say much, or many more than of others."""
    counts = Counter(sample.label for sample in data.samples)
    small = data.too_small()
    for label in data.class_names:
        if counts[label] < _TINY and label not in small:
            yield Finding(kind="tiny class", name=label, detail=counted(counts[label], "image"))
    ranked = counts.most_common()
    (most, many), (least, few) = ranked[0], ranked[-1]
    if many > _IMBALANCE * few:
        detail = f"{counted(many, 'image')}, {many / few:.0f} times as many as of {least}"
        yield Finding(kind="imbalance", name=most, detail=detail)


def _shades(data: PreparedData) -> Iterator[Finding]:
    for sample in data.samples:
        if sample.shade:
            depth = f", from {sample.bits} bits a channel" if sample.bits > 8 else ""
            detail = f"next to nothing else is seen in it{depth}"
            yield Finding(kind=f"nearly {sample.shade}", name=sample.name, detail=detail)
