"""Turns what a user calls a classifier into the trained classifier, ready for pictures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from benchmark.classifier.completed import BEST, find_runs
from benchmark.classifier.network import load_network, read_embeddings
from benchmark.classifier.tracked import TrackedClassifier
from benchmark.evaluation.predictions import CLASSES_FILE
from benchmark.explain.explainers import Explainer, HeadExplainer, NetworkExplainer
from benchmark.study.inputs import read_input
from benchmark.study.plan import DataSpec
from benchmark.study.suite import System
from benchmark.tracking.reader import search
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from benchmark.training.devices import find_device
from benchmark.training.heads import HEAD_FILES, load_head
from registry import HeadSpec, heads, models
from registry.errors import UserError

if TYPE_CHECKING:
    from mlflow.entities import Run


def find_classifier(
    store: Store, name: str = BEST, *, seed: int | None = None, context: str | None = None
) -> TrackedClassifier:
    """Load the first of the completed runs that a name stands for that kept its weights.

    Args:
        store: Where runs are tracked.
        name: See `find_runs`, which says what goes first.
        seed: Which; None for any.
        context: How the id of its context begins; None for any.

    Raises:
        UserError: There is none, or it did not keep what it takes; says what to type.
    """
    runs = find_runs(store, name, seed=seed, context=context)
    kept = {run.info.run_id for run in search(store, "tags.weights_file = 'kept'")}
    for run in runs:
        backbone = run.data.tags.get("backbone_run_id", run.info.run_id)
        if {run.info.run_id, backbone} <= kept:
            return _load(Tracker(store), run, backbone)
    run_name = runs[0].info.run_name
    called = run_name if name in (run_name, runs[0].info.run_id) else f"{name}, {run_name},"
    raise UserError(
        f"{called} kept no weights; repeat it with the same --data and settings: "
        f"bench run {run_name} --save-weights all --force"
    )


def _load(tracker: Tracker, run: Run, backbone: str) -> TrackedClassifier:
    run_id = run.info.run_id
    with tracker.artifact(run_id, "config.json") as file:
        settings = json.loads(file.read_text())
        data, input_ = DataSpec(**settings["data"]), read_input(settings)
        params = tuple((key, value) for key, value in settings["system"]["params"])
        system = System(**{**settings["system"], "params": params})
    class_names = _read_classes(tracker, run_id, data.num_classes)
    size = input_.size or data.image_size
    device = find_device("auto")
    shape = size, data.num_classes
    network = load_network(tracker, backbone, system.backbone, shape, device)
    model = models[system.model]
    head: tuple[HeadSpec, Any] | None = None
    if system.head is not None:
        kept = {entry.path for entry in tracker.client.list_artifacts(run_id)}
        file_name = next((name for name in HEAD_FILES if name in kept), HEAD_FILES[0])
        with tracker.artifact(run_id, file_name) as file:
            head = heads[system.head], load_head(system.head, file)

    def make_explainer() -> Explainer:
        if head is None:
            return NetworkExplainer(network, model)
        embeddings, _ = read_embeddings(tracker, backbone)
        return HeadExplainer(network, model, head[1], head[0], embeddings.mean(0))

    return TrackedClassifier(
        name=str(run.info.run_name),
        make_explainer=make_explainer,
        network=network,
        head=head,
        class_names=class_names,
        image_size=size,
        input=input_,
        precision=settings["train"]["precision"],
        device=device,
    )


def _read_classes(tracker: Tracker, run_id: str, count: int) -> list[str]:
    with tracker.artifact(run_id, f"predictions/{CLASSES_FILE}") as file:
        names = json.loads(file.read_text())
        if not isinstance(names, list) or len({*map(str, names)}) != count:
            raise ValueError(f"it does not name {count} classes")
    return [*map(str, names)]
