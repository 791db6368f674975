"""The whole study, quick or --full, all 27 rows; what explanations took stands beside."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tests.performance.images import count, divided, few_images
from tests.performance.measure import (
    Comparison,
    Measurement,
    Options,
    Side,
    call,
    compare,
    run_once,
)
from tests.performance.settings import FULL, MODELS, QUICK, SMALL
from tests.performance.store import (
    SMALL_PRETRAINING,
    bench,
    copy_of,
    overrides,
    pretrained,
    pretraining_seconds,
)
from tests.performance.workers import best_workers, told

ERRORS = 2.0
"""Accuracies agree if their mean difference is within so many standard errors of nothing."""


def run(options: Options) -> Iterator[Comparison]:
    """Measure whole commands, and how fast they could be at best."""
    found = compare_studies(
        options, "27 systems", MODELS, {"bench": [], "bench --jobs 2": ["--jobs", "2"]}
    )
    yield replace(found, notes=(*found.notes, *bound(options, found)))


def compare_studies(
    options: Options, work: str, models: Sequence[str], commands: Mapping[str, Sequence[str]]
) -> Comparison:
    """Measure `bench run` beside the plain loop, and compare their test accuracies.

    Each repeat has a seed of its own: of split, weights and batches.

    Args:
        options: Which images, how many repeats.
        work: For the table.
        models: Whose systems, and the heads on their embeddings.
        commands: Names of bench's sides and what each adds to the command.
    """
    workers = best_workers(_images(options), _settings(options))
    repeats = [
        _repeat(options, seed, workers, work, models, commands) for seed in range(options.repeats)
    ]
    sides: dict[str, list[Measurement]] = {}
    for repeat in repeats:
        for name in (*commands, "plain"):
            sides.setdefault(name, []).extend(repeat.sides[name])
    notes = [told(workers)]
    notes += [note for repeat in repeats for note in repeat.notes]
    notes += [agreement(sides, name) for name in commands]
    return Comparison(work=work, sides=sides, notes=tuple(notes))


def _settings(options: Options) -> dict[str, int]:
    return FULL if options.full else SMALL if options.small else QUICK


def _images(options: Options, seed: int = 0) -> Path:
    if options.full:
        return divided(options, None, None, seed=seed)
    return few_images(options, seed=seed)


def _repeat(
    options: Options,
    seed: int,
    workers: int,
    work: str,
    models: Sequence[str],
    commands: Mapping[str, Sequence[str]],
) -> Comparison:
    images, settings = _images(options, seed), _settings(options)
    sections = {"image_size": "data"}
    chosen = overrides({f"{sections.get(k, 'train')}.{k}": v for k, v in settings.items()})
    chosen += SMALL_PRETRAINING if options.small else []
    chosen += ["--preset", "study" if options.full else "quick", "--weights", "demo"]
    chosen += ["--set", "pretrain.models=*"]
    fine_tuned = [model for model in ("resnet18", "vit_b_16") if model in models]
    source = pretrained(options, images, fine_tuned, chosen, seed=seed)
    names = [f"{model}-*" for model in models]
    run: list[str | Path] = ["run", *names, "--data", images, *chosen, "--seed", str(seed)]
    start = copy_of(source)
    arguments = {"data": images, "weights": source, "seed": seed, "workers": workers}
    plain = call("plain:study", models=models, **settings, **arguments)
    sides = [
        *(bench(name, [*run, *more], prepare=start) for name, more in commands.items()),
        Side(name="plain", command=plain),
    ]
    turned = [*sides[seed % len(sides) :], *sides[: seed % len(sides)]]
    found = compare(work, turned, 1)
    seconds = pretraining_seconds(source)
    note = f"seed {seed}: the pretraining, shared and in no side's time, took {seconds:.1f} s"
    return replace(found, notes=(note,))


def bound(options: Options, found: Comparison) -> Iterator[str]:
    """Say how much faster than plain anything could be that does the same float32 arithmetic.

    Of a GPU it says nothing: its rate depends on what counts as float32 there.
    """
    if options.device != "cpu":
        return
    images = _images(options)
    classes = sum(1 for _ in (images / "train").iterdir())
    settings = {k: v for k, v in _settings(options).items() if k != "batch_size"}
    splits = {split: count(images, split) for split in ("train", "val")}
    command = call("arithmetic:describe", classes=classes, **settings, **splits)
    measured = run_once(Side(name="arithmetic", command=command))
    ratio = statistics.median(found.seconds("plain")) / measured.seconds
    yield (
        f"the networks' training is {measured.figures['tflop']:.1f} TFLOP; torch.mm does at best "
        f"{measured.figures['gflops']:.0f} GFLOP/s here in float32, which would take "
        f"{measured.seconds:.0f} s: a float32 loop is at most {ratio:.2f} times as fast as plain"
    )


def agreement(sides: dict[str, list[Measurement]], name: str) -> str:
    """Say whether a side's test accuracies are the plain loop's, but for chance.

    A network and the heads on its embeddings share their luck: they count as one difference, their
    mean: the whole study has nine a seed.
    """
    differences = []
    for own, plain in zip(sides[name], sides["plain"], strict=True):
        ours, theirs = (m.figures["test_accuracies"] for m in (own, plain))
        by_network = defaultdict(list)
        for system in theirs:
            by_network[system.partition("/")[0]].append(ours[system] - theirs[system])
        differences += [statistics.mean(group) for group in by_network.values()]
    mean, error = statistics.mean(differences), standard_error(differences)
    agree = "agree" if abs(mean) <= ERRORS * error else "DISAGREE"
    return (
        f"{name}: test accuracies {agree} with plain's: mean difference {100 * mean:+.2f} points, "
        f"standard error {100 * error:.2f}, n = {len(differences)} networks and seeds, "
        f"bound {ERRORS:g} standard errors"
    )


def standard_error(values: Sequence[float]) -> float:
    """Of the mean."""
    return statistics.stdev(values) / math.sqrt(len(values))
