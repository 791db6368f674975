"""Turns what runs recorded of their making into facts: departures, commands, times."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mlflow.entities import Run

from benchmark.study.config import Config
from benchmark.study.plan import PRETRAINING
from benchmark.study.presets import PRESETS, changes, study
from benchmark.study.recorded import set_by_hand
from benchmark.study.suite import PUBLISHED, STUDY_CLASSES, STUDY_IMAGES, systems

_FOLDER = "DIR_OF_WEIGHTS"


@dataclass(frozen=True, kw_only=True)
class Part:
    """Time spent on one kind of work.

    Attributes:
        name: What was done.
        seconds: In all runs together.
        runs: How many runs did it.
    """

    name: str
    seconds: float
    runs: int


def departures(runs: Sequence[Run], weights: Iterable[str]) -> list[str]:
    """Say where runs depart from the study as published.

    Args:
        runs: Of one context, without those of sweeps.
        weights: Of all runs; ``none`` for networks from scratch.
    """
    settings = runs[0].data.params
    classes, images = int(settings["data.num_classes"]), int(settings["data.num_images"])
    found = changes(_config(runs))
    if classes != STUDY_CLASSES:
        of_study = f"over {STUDY_IMAGES:,} of {STUDY_CLASSES}"
        found.insert(0, f"{images:,} images of {classes} classes (study: {of_study})")
    if other := sorted(set(weights) - {"none", study().weights}):
        found.append(f"weights={', '.join(other)} (study: {study().weights})")
    return found


def not_run(runs: Iterable[Run]) -> list[str]:
    """Name the study's runs that are not there: what was not asked for, or lacked its backbone."""
    names = {run.info.run_name for run in runs}
    return [name for name in PUBLISHED if name not in names]


def _preset(run: Run) -> Config:
    return PRESETS.get(run.data.tags["preset"], study)()


def _config(runs: Sequence[Run]) -> Config:
    """The study's configuration with what runs were told besides, and their preset's recipes."""
    values = {**study().model_dump(), "recipes": _preset(runs[0]).recipes}
    params = (run.data.params for run in runs)
    for key, value in set_by_hand(params, Config.model_validate(values)).items():
        section, name = key.split(".")
        values[section][name] = None if value == "None" else value
    return Config.model_validate(values)


def commands(runs: Iterable[Run], not_completed: Iterable[Run] = ()) -> list[str]:
    """Write the commands that make the same runs but those of sweeps.

    There is one for equal seeds and weights. Images are named DIR unless bench draws them, and a
    folder of the user's weights DIR_OF_WEIGHTS.

    Args:
        runs: Of networks and heads, the newest first.
        not_completed: What was asked for besides, and failed or was skipped.
    """
    unmade = {run.info.run_name for run in not_completed}
    runs = [
        run
        for run in runs
        if run.data.tags["group"] != PRETRAINING and not run.data.tags.get("tuned")
    ]
    found = []
    for same in _by_weights(runs):
        # Of all runs: those of other weights are of the same configuration.
        changed = set_by_hand((run.data.params for run in runs), _preset(same[0]))
        seeds: dict[str, set[int]] = {}
        for run in same:
            seeds.setdefault(run.info.run_name, set()).add(int(run.data.params["seed"]))
        alike: dict[tuple[int, ...], set[str]] = {}
        for name, own in seeds.items():
            alike.setdefault(tuple(sorted(own)), set()).add(name)
        for numbers, names in sorted(alike.items()):
            if names | unmade >= {*PUBLISHED}:
                found.append(_command(same, ["--all"], numbers, changed))
                names -= {system.name for system in systems()}
            if names:
                found.append(_command(same, sorted(names), numbers, changed))
    return found


def _by_weights(runs: Sequence[Run]) -> list[list[Run]]:
    """Divide runs where one command cannot make all of them: a name is there with several weights.

    Nor does one take both the demo's weights and those of a folder.
    """
    of_name: dict[str, set[tuple[str, str]]] = {}
    by_weights: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        own = _weights(run)
        of_name.setdefault(run.info.run_name, set()).add(own)
        by_weights.setdefault(own, []).append(run)
    both = {"demo", _FOLDER} <= {argument for argument, _ in by_weights}
    if not both and all(len(own) == 1 for own in of_name.values()):
        return [[*runs]] if runs else []
    return [own for _, own in sorted(by_weights.items())]


def _weights(run: Run) -> tuple[str, str]:
    """What ``--weights`` takes for a run, and the hash of the user's file, if it was one."""
    weights, id_ = run.data.tags["weights"], run.data.params.get("weights_id", "")
    return (_FOLDER, id_) if weights == "imagenet" and id_ else (weights, "")


def _command(
    runs: Sequence[Run], names: Sequence[str], seeds: Sequence[int], changed: Mapping[str, str]
) -> str:
    parts = ["bench run", *map(shlex.quote, names)]
    if runs[0].data.params["data.name"] != "demo":
        parts.append("--data DIR")
    told = f"--seed {seeds[0]}" if len(seeds) == 1 else f"--seeds {','.join(map(str, seeds))}"
    parts += [f"--preset {_preset(runs[0]).preset}", told]
    if weights := {_weights(run)[0] for run in runs} - {"none"}:
        # Neither a folder's nor the demo's replace what is installed, which is called imagenet.
        parts.append(f"--weights {min(weights)}")
    parts += [f"--set {shlex.quote(f'{key}={value}')}" for key, value in changed.items()]
    return " ".join(parts)


def parts(tracked: Iterable[Run]) -> list[Part]:
    """Add up the time that runs took, by kind of work."""
    tracked = list(tracked)
    pretraining = [run for run in tracked if run.data.tags["group"] == PRETRAINING]
    networks = [run for run in tracked if run not in pretraining and not run.data.tags["head"]]
    heads = [run for run in tracked if run not in pretraining and run.data.tags["head"]]
    explained = [run for run in networks + heads if "explain_seconds" in run.data.metrics]
    found = [
        Part(name="pretraining", seconds=sum(map(_duration, pretraining)), runs=len(pretraining)),
        Part(name="training networks", seconds=_add(networks, "fit_seconds"), runs=len(networks)),
        Part(name="fitting heads", seconds=_add(heads, "head_fit_seconds"), runs=len(heads)),
        Part(
            name="explaining images",
            seconds=_add(explained, "explain_seconds"),
            runs=len(explained),
        ),
    ]
    told = sum(part.seconds for part in found)
    rest = sum(map(_duration, tracked)) - told
    found.append(Part(name="loading, evaluating, tracking", seconds=rest, runs=len(tracked)))
    return [part for part in found if part.runs and part.seconds > 0]


def _add(runs: Iterable[Run], metric: str) -> float:
    """Seconds; what a run took over from an earlier one, longer than itself, is counted there."""
    return sum(min(run.data.metrics.get(metric, 0.0), _duration(run)) for run in runs)


def _duration(run: Run) -> float:
    return float(((run.info.end_time or run.info.start_time) - run.info.start_time) / 1000)
