"""Turns a planned study into lines: what is run on what, and the plan with what it will take."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.tree import Tree

from benchmark.data.checks import warnings
from benchmark.data.names import counted
from benchmark.data.splits import SPLITS
from benchmark.study.presets import changes
from benchmark.study.seeds import name_seeds
from benchmark.study.suite import BEYOND
from benchmark.terminal.console import line, print_lines
from benchmark.terminal.numbers import count, duration

if TYPE_CHECKING:
    from benchmark.execution.complete import Complete
    from benchmark.execution.launch import Launch
    from benchmark.execution.planning import Study
    from benchmark.runs.options import RunOptions
    from benchmark.study.plan import Plan, RunSpec

QUICK = (
    "The quick preset shows everything at work; its accuracies say little about the systems. "
    "The real thing: bench run --all --data"
)


def print_header(console: Console, launch: Launch, doubts: Sequence[str] = ()) -> None:
    """Say what is run on what, what is doubtful about it, and what the preset shrank."""
    study, options = launch.study, launch.options
    spec, plan, config = study.data.spec, study.plan, study.config
    splits = ", ".join(f"{len(study.data.rows(split)):,} {split}" for split in SPLITS)
    images = (
        f": {spec.num_images:,} images of {spec.num_classes} classes at {_sizes(study)} ({splits})"
    )
    folder = config.weights_folder
    lines = [
        line((spec.name, "bold"), images),
        line(
            f"preset {config.preset}: at most {counted(config.train.epochs, 'epoch')}, weights "
            f"{config.weights}{f' of {folder}' if folder else ''}, {name_seeds(study.seeds)}, "
            f"on {'what Ray finds' if options.device == 'auto' else options.device}"
        ),
        line(f"{len(plan)} {'run' if len(plan) == 1 else 'runs'}, tracked in {options.store}"),
        *map(line, _lacking(launch.from_before)),
    ]
    lines[1:1] = [line(text) for text in [*doubts, *warnings(study.data)]]
    changed = changes(config)
    if changed and options.studied:  # else nobody takes it for the study
        lines.insert(0, line(f"not the study as published: {', '.join(changed)}"))
    if config.preset == "quick":
        source = config.data.source
        lines.insert(0, line(f"{QUICK} {'DIR' if source == 'demo' else shlex.quote(source)}"))
    print_lines(console, *lines)


def _lacking(before: Complete) -> Iterator[str]:
    """Say what complete runs were made without, since they are not repeated for it."""
    for ids, what, option in (
        (before.without_weights, "weights", " --save-weights all"),
        (before.without_explanations, "explanations", ""),
    ):
        if ids:
            again = f"bench run NAME{option} --force, with the same data and settings, repeats one"
            yield f"{counted(len(ids), 'complete run')} without {what}: {again}"


def _sizes(study: Study) -> str:
    """Say at what size the images are shown to networks: the most common, and the others."""
    sizes = {spec.system.model: spec.image_size for spec in study.plan if not spec.pretraining}
    common = Counter(sizes.values()).most_common(1)[0][0]
    others = [f", {model} {size} x {size}" for model, size in sizes.items() if size != common]
    return f"{common} x {common} pixels{''.join(others)}"


def print_plan(console: Console, launch: Launch) -> None:
    """Show the plan as a tree, under each run those that need it, and how long it will take."""
    from benchmark.execution.forecast import time_unknown

    plan, options, forecast = launch.study.plan, launch.options, launch.forecast
    made = launch.complete | launch.unsent
    open_runs = [spec for spec in plan if spec.id not in made]
    known = sum(map(forecast.knows, open_runs))
    place = _place(launch)  # before the timing, which would let it choose otherwise than a run
    timed = time_unknown(forecast, open_runs, options)
    tree = Tree("plan")

    def add(branch: Tree, spec: RunSpec) -> None:
        seconds = forecast.seconds(spec)
        took = "" if seconds is None else f"about {duration(seconds)}"
        state = "complete" if spec.id in launch.complete else took
        if spec.id in launch.unsent:
            state = "made; its results wait to be sent to MLflow by the next start"
        part = BEYOND if spec.group == BEYOND else ""
        told = ", ".join(filter(None, (part, _size(spec), state)))
        node = branch.add(line(spec.label, (f"  {told}", "dim")))
        for dependant in plan.dependants(spec.id):
            add(node, dependant)

    for spec in plan:
        if not spec.needs:
            add(tree, spec)
    console.print(tree, highlight=False)
    if open_runs:
        print_lines(console, line(_time(forecast.total(open_runs), place, known, timed)))
    views = {(spec.data, spec.input): spec for spec in plan}.values()
    pixels = sum(3 * spec.data.num_images * spec.image_size**2 for spec in views)
    print_lines(console, line(f"decoded images: {pixels / 1e6:,.0f} MB"))
    print_lines(console, line(f"weights that will be kept: {_weights(plan, open_runs, options)}"))


def _weights(plan: Plan, open_runs: Sequence[RunSpec], options: RunOptions) -> str:
    """Say what disk the weights take in the end, and before the best row is known."""
    from benchmark.execution.planning import weights_bytes

    made = frozenset(spec.id for spec in open_runs)
    kept = made & options.save_weights
    others = made - kept if options.keep_best else frozenset()
    heads = sum(1 for spec in plan if spec.id in kept | others and spec.system.head)
    told = f"{sum(weights_bytes(plan, kept)) / 1e6:,.0f} MB"
    if heads and not others:
        told += f", and the files of {counted(heads, 'head')}"
    if candidates := weights_bytes(plan, others):
        most, whole = max(candidates) / 1e6, sum(candidates) / 1e6
        or_head = " or a head's file" if heads else ""
        told += f", then the best row's, at most {most:,.0f} MB a seed{or_head}"
        told += f" (in between, up to {whole:,.0f} MB)" * (whole > most)
    elif others and heads:
        told += ", and the file of the best row, if it is a head's"
    return told


def _place(launch: Launch) -> str:
    """Say where runs would take the time that is told, and how, if they are made otherwise."""
    from benchmark.training.devices import find_device

    device = launch.options.device
    if launch.executor == "ray":
        return f"{find_device(device)} of this machine, one by one"
    return f"{device}, one by one" if launch.at_once > 1 else device


def _time(seconds: float | None, place: str, known: int, timed: int) -> str:
    """Say how long it will take, and from what that is concluded."""
    if seconds is None:
        return "time: not known"
    sources = []
    if known:
        sources.append("runs measured before")
    if timed:
        those = "a network or head" if timed == 1 else f"{timed} networks and heads"
        sources.append(f"a few steps of {those} (training alone)")
    return f"time: about {duration(seconds)} on {place}, from {' and '.join(sources)}"


def _size(spec: RunSpec) -> str:
    if spec.system.head is not None:
        return ""
    from benchmark.execution.planning import parameters

    number = parameters(spec)
    return "cannot be made" if number is None else f"{count(number)} parameters"
