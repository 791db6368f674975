"""A backbone with stored embeddings, and sweeps of its heads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.data.prepared import PreparedData
from benchmark.runs.options import RunOptions
from benchmark.runs.run_one import open_tracker
from benchmark.study.config import Config
from benchmark.study.plan import RunSpec
from benchmark.study.suite import System
from benchmark.sweep.budget import Budget
from benchmark.sweep.head_target import HeadTarget
from benchmark.sweep.run import Sweep, SweepResult
from benchmark.sweep.space import Space
from benchmark.tracking.items import Artifact, Metric, Tag
from benchmark.tracking.store import Store
from benchmark.training.inference import EMBEDDINGS_FILE, save_embeddings


@pytest.fixture
def backbone(data: PreparedData, config: Config) -> RunSpec:
    return RunSpec(
        system=System(model="resnet18", schedule="frozen"),
        data=data.spec,
        train=config.train,
        seed=0,
        weights="demo",
    )


@pytest.fixture
def options(
    backbone: RunSpec, data: PreparedData, store: Store, workplace: Path, image_folder: Path
) -> RunOptions:
    """The backbone's run is complete, with noisy embeddings of its images."""
    import benchmark.runs.run_one as runner

    rng = np.random.default_rng(0)
    centres = rng.normal(size=(3, 10))
    rows = centres[data.labels] + 1.5 * rng.normal(size=(len(data.labels), 10))
    save_embeddings(workplace / EMBEDDINGS_FILE, rows.astype(np.float32), 1.0)
    tags = {"spec_id": backbone.id, "group": "experiment 2", "embeddings": "kept"}
    with open_tracker(store).start(backbone.name, {**tags, "group": "data"}) as run:
        run.log(Artifact(workplace / EMBEDDINGS_FILE), Tag("embeddings", "kept"))
        run.log(Metric("fit_seconds", 1.0))
    options = RunOptions(store=store, home=workplace / "home", device="cpu", explain=False)
    runner.open_data.cache_clear()
    return options


@pytest.fixture
def run_sweep(
    backbone: RunSpec,
    options: RunOptions,
    data: PreparedData,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    for module in ("benchmark.runs.run_one", "benchmark.sweep.head_target"):
        monkeypatch.setattr(f"{module}.open_data", lambda spec, input_, home: data)

    def run(
        space: Space, budget: Budget, head: str = "extra_trees", storage: str | None = None
    ) -> SweepResult:
        sweep = Sweep(
            target=HeadTarget(base=backbone, head=head),
            space=space,
            budget=budget,
            storage=storage,
            home=options.home,
        )
        return sweep.run(options, lambda study, trial: None)

    return run
