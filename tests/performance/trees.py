"""A full grid of a tree head: bench sweep beside a loop of one fit for each cell."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.performance.images import divided
from tests.performance.measure import (
    Comparison,
    Figures,
    Options,
    Side,
    call,
    compare,
    measure,
    run_once,
)
from tests.performance.store import SMALL_PRETRAINING, bench, copy_of, overrides

BACKBONE = "resnet18-frozen"
HEADS = ("extra_trees", "random_forest")
SIZES, SMALL_SIZES = tuple(range(50, 601, 50)), (100, 200, 300)
DEPTHS, SMALL_DEPTHS = (4, 8, 10, 16, 24, None), (10, 16, 24)
JOURNAL, EMBEDDINGS = "sweep.journal", "embeddings.npz"


def run(options: Options) -> Iterator[Comparison]:
    """Measure the grid alone, on the same embeddings; the processes' time stands beside."""
    sizes, depths = (SMALL_SIZES, SMALL_DEPTHS) if options.small else (SIZES, DEPTHS)
    classes, per_class = (3, 6) if options.small else (40, 30)
    images = divided(options, classes, per_class)
    settings = overrides(
        {
            "data.image_size": 32 if options.small else 64,
            "data.classes": classes,
            "data.images_per_class": per_class,
            "train.epochs": 1 if options.small else 5,
        }
    )
    settings += SMALL_PRETRAINING if options.small else []
    study = ["--data", str(images), "--preset", "quick", *settings]
    backbone = _backbone(options, study)
    axes = {"n_estimators": sizes, "max_depth": depths}
    grid = [
        part
        for name, values in axes.items()
        for part in ("--grid", f"{name}={','.join(str(value).lower() for value in values)}")
    ]
    for head in HEADS[:1] if options.small else HEADS:
        sides = [
            bench(
                "bench",
                ["sweep", f"{BACKBONE}/{head}", *grid, "--storage", JOURNAL, *study],
                prepare=copy_of(backbone),
                figures=read_sweep,
            ),
            Side(
                name="plain",
                command=call("trees:plain", head=head, sizes=sizes, depths=depths),
                prepare=copy_of(backbone),
            ),
        ]
        found = compare(f"{head}, {len(sizes) * len(depths)} cells", sides, options.repeats)
        yield replace(found, notes=(same_cells(found, head),))


def same_cells(found: Comparison, head: str) -> str:
    """Say in how many cells both sides have the same accuracy, to the last bit."""
    own, plain = (found.sides[side][0].figures["val_accuracies"] for side in ("bench", "plain"))
    equal = sum(own.get(cell) == accuracy for cell, accuracy in plain.items())
    return f"{head}: {equal} of {len(plain)} cells have the very same validation accuracy"


def _backbone(options: Options, study: list[str]) -> Path:
    """Train the backbone once, in a folder that stays, and write its embeddings for the loop."""
    folder = options.folder / "trees"
    if not folder.exists():
        folder.mkdir()
        measure(bench("backbone", ["run", BACKBONE, "--no-explain", *study]), folder)
        measure(Side(name="embeddings", command=call("trees:export")), folder)
    return folder


def export() -> Figures:
    """Write the embeddings of the one run here, with labels and splits, as arrays."""
    import json

    import numpy as np

    from benchmark.data.prepared import PreparedData
    from benchmark.study.plan import DataSpec
    from benchmark.training.inference import EMBEDDINGS_FILE, load_embeddings

    (file,) = Path().rglob(EMBEDDINGS_FILE)
    spec = json.loads(next(file.parent.rglob("config.json")).read_text())["data"]
    data = PreparedData(DataSpec(**spec), Path(".bench"))
    embeddings, _ = load_embeddings(file)
    np.savez(EMBEDDINGS, embeddings=embeddings, labels=data.labels, splits=data.splits)
    return {}


def read_sweep(folder: Path) -> Figures:
    """Read the accuracy of each cell from Optuna's journal, in a process that may import it."""
    command = call("trees:read_trials", journal=folder / JOURNAL)
    read = run_once(Side(name="trials", command=command))
    return {**read.figures, "seconds": read.seconds}


def read_trials(journal: str) -> Figures:
    """The validation accuracy of each trial of the one study in a journal, and the time of all."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    study = optuna.load_study(study_name=None, storage=JournalStorage(JournalFileBackend(journal)))
    begun = min(trial.datetime_start for trial in study.trials if trial.datetime_start)
    ended = max(trial.datetime_complete for trial in study.trials if trial.datetime_complete)
    return {
        "seconds": (ended - begun).total_seconds(),
        "val_accuracies": {
            cell(trial.params["n_estimators"], trial.params["max_depth"]): trial.value
            for trial in study.trials
        },
    }


def cell(size: int, depth: int | None) -> str:
    """Name a point of the grid."""
    return f"{size} trees, depth {depth}"


def plain(head: str, sizes: list[int], depths: list[int | None]) -> Figures:
    """Fill the grid by one fit for each cell."""
    import numpy as np
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

    make: Any = {"extra_trees": ExtraTreesClassifier, "random_forest": RandomForestClassifier}[head]
    arrays = np.load(EMBEDDINGS)
    x, y, splits = (arrays[name] for name in ("embeddings", "labels", "splits"))
    train, val = splits == "train", splits == "val"
    accuracies = {}
    start = time.perf_counter()
    for depth in depths:
        for size in sizes:
            classifier = make(n_estimators=size, max_depth=depth, random_state=0, n_jobs=-1)
            classifier.fit(x[train], y[train])
            # As bench does it: ties go to the first of the most probable classes.
            predicted = classifier.predict_proba(x[val]).argmax(axis=1)
            accuracies[cell(size, depth)] = float((predicted == y[val]).mean())
    return {"seconds": time.perf_counter() - start, "val_accuracies": accuracies}
