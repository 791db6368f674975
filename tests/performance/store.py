"""Turns arguments of bench into a side, and what bench has stored into its figures."""

from __future__ import annotations

import shutil
import sqlite3
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from tests.performance.measure import Figures, Options, Side, call, measure

BENCH = (sys.executable, "-m", "benchmark.cli")
DATABASE = "mlflow.db"
PRETRAINED = "-pretrained"
SMALL_PRETRAINING = [
    *("--set", "pretrain.species=2", "--set", "pretrain.images_per_species=6"),
    *("--set", "pretrain.epochs=1"),
]


@contextmanager
def opened(folder: Path) -> Iterator[sqlite3.Connection]:
    """The store in a folder; what is written is committed at the end."""
    with closing(sqlite3.connect(folder / DATABASE)) as database, database:
        yield database


def read_store(folder: Path) -> Figures:
    """Read test accuracies by system, and of a single network the seconds of its epochs.

    Of several, how long their explanations took.
    """
    with opened(folder) as database:
        metrics = database.execute(
            "SELECT r.name, m.key, m.value FROM metrics m JOIN runs r USING (run_uuid) "
            "JOIN tags t USING (run_uuid) WHERE t.key = 'completed' "
            "AND r.lifecycle_stage = 'active' ORDER BY r.start_time, m.step"
        ).fetchall()
    named = [row for row in metrics if not row[0].endswith(PRETRAINED)]
    figures: Figures = {
        "test_accuracies": {name: value for name, key, value in named if key == "test_accuracy"}
    }
    if len(figures["test_accuracies"]) == 1:
        figures["epoch_seconds"] = [value for _, key, value in named if key == "epoch_seconds"]
        figures["fit_seconds"] = next(value for _, key, value in named if key == "fit_seconds")
    else:
        newest = {name: value for name, key, value in named if key == "explain_seconds"}
        figures["explain_seconds"] = sum(newest.values())
    return figures


def overrides(settings: Mapping[str, object]) -> list[str]:
    """Settings as bench takes them: ``--set KEY=VALUE`` for each."""
    return [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]


def bench(
    name: str,
    arguments: Sequence[str | Path],
    *,
    prepare: Callable[[Path], None] = lambda folder: None,
    figures: Callable[[Path], Figures] = read_store,
) -> Side:
    """A side that runs bench in a folder of its own."""
    command = [*BENCH, *map(str, arguments)]
    return Side(name=name, command=command, prepare=prepare, figures=figures)


def pretrained(
    options: Options, images: Path, models: Sequence[str], settings: Sequence[str], seed: int = 0
) -> Path:
    """Pretrain the networks that are fine-tuned, once, so that no side's time holds it.

    Args:
        options: Where to.
        images: Any.
        models: Which to pretrain.
        settings: Arguments of `bench run` that the sides will get, without epochs and seed.
        seed: The sides'.

    Returns:
        A folder with the store in which bench finds the pretraining complete, and with
        ``MODEL.pt`` for others.
    """
    folder = options.folder / f"pretrained-{seed}-{zlib.crc32(repr((models, settings)).encode()):x}"
    if not folder.exists():
        folder.mkdir()
        systems = [f"{model}-frozen" for model in models]
        arguments = [*systems, "--data", str(images), "--no-explain"]
        # Fewer classes and epochs: these runs are not the sides', their pretraining is.
        fewer = ["--set", "data.classes=2", "--set", "train.epochs=1", "--seed", str(seed)]
        measure(bench("pretraining", ["run", *arguments, *settings, *fewer]), folder)
        with opened(folder) as database:
            database.execute(
                "UPDATE runs SET lifecycle_stage = 'deleted' WHERE name NOT LIKE ?",
                (f"%{PRETRAINED}",),
            )
        measure(Side(name="weights", command=call("store:export")), folder)
    return folder


def copy_of(source: Path) -> Callable[[Path], None]:
    """Begin a side's folder with the store, but not the artifacts: it knows where they are."""

    def prepare(folder: Path) -> None:
        heavy = shutil.ignore_patterns("mlartifacts", "*.pt")
        shutil.copytree(source, folder, ignore=heavy, dirs_exist_ok=True)

    return prepare


def pretraining_seconds(folder: Path) -> float:
    """How long the pretraining took, all networks together."""
    with opened(folder) as database:
        (total,) = database.execute(
            "SELECT sum(end_time - start_time) / 1000.0 FROM runs WHERE name LIKE ?",
            (f"%{PRETRAINED}",),
        ).fetchone()
    return float(total)


def export() -> Figures:
    """Write the state dict of each pretrained backbone of the store here as ``MODEL.pt``."""
    import torch
    from safetensors.torch import load_file

    from benchmark.tracking.locations import local_path

    with opened(Path()) as database:
        runs = database.execute(
            "SELECT name, artifact_uri FROM runs WHERE name LIKE ?", (f"%{PRETRAINED}",)
        ).fetchall()
    for name, artifacts in runs:
        prefix = "backbone."
        state = {
            key.removeprefix(prefix): tensor
            for key, tensor in load_file(local_path(artifacts) / "weights.safetensors").items()
            if key.startswith(prefix)
        }
        torch.save(state, Path(f"{name.removesuffix(PRETRAINED)}.pt"))
    return {}
