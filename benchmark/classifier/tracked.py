"""Turns a run's name into its trained classifier, for pictures from outside."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.classifier.network import load_network, read_embeddings
from benchmark.data.decode import Undecodable, decode
from benchmark.data.framing import shown_size
from benchmark.evaluation.predictions import CLASSES_FILE
from benchmark.explain.explainers import (
    Explainer,
    HeadExplainer,
    NetworkExplainer,
    heatmaps,
)
from benchmark.explain.panels import PANEL
from benchmark.ranking.tables import fetch
from benchmark.study.inputs import read_input
from benchmark.study.plan import DataSpec
from benchmark.study.suite import System
from benchmark.tracking.reader import search
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from benchmark.training.devices import find_device
from benchmark.training.heads import HEAD_FILES, load_head
from registry import InputSpec, heads, models
from registry.core import near
from registry.errors import UserError, one_line

if TYPE_CHECKING:
    from mlflow.entities import Run

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a classifier says of one picture.

    Attributes:
        pixels: (S, S, 3), uint8, as the classifier sees it.
        size: Width and height at which people see it.
        ranking: Classes and their probabilities, the most probable first.
        shown: Class that the heatmap is about.
        heat: (S, S) in [0, 1]; None if there is none.
        why_none: Why there is none, in one line.
    """

    pixels: NDArray[np.uint8]
    size: tuple[int, int]
    ranking: list[tuple[str, float]]
    shown: str
    heat: NDArray[np.float32] | None
    why_none: str = ""


@dataclass(frozen=True, kw_only=True)
class TrackedClassifier:
    """A trained classifier from MLflow.

    Attributes:
        explainer: The classifier.
        class_names: In the order of its probabilities.
        image_size: Side of its images in pixels.
        input: How they are made of pictures.
        device: Where it is.
    """

    explainer: Explainer
    class_names: list[str]
    image_size: int
    input: InputSpec
    device: torch.device

    def look_at(self, path: Path, class_name: str | None = None) -> Look:
        """Classify a picture, decoded as in training, and explain a class.

        Args:
            path: The picture.
            class_name: What to explain; None for the most probable class.

        Raises:
            UserError: The file is no picture, or there is no such class.
        """
        if class_name is not None and class_name not in self.class_names:
            raise UserError(
                f"no class is called {class_name!r}; {near(class_name, self.class_names)}"
            )
        try:
            decoded = decode(path.read_bytes(), self.image_size, self.input)
        except (OSError, Undecodable) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise UserError(f"{path} cannot be read ({reason}); name picture files") from error
        batch = torch.tensor(decoded.pixels, device=self.device).permute(2, 0, 1)[None] / 255
        probabilities = self.explainer.classify(batch)[0]
        order = np.argsort(-probabilities, kind="stable")
        shown = int(order[0]) if class_name is None else self.class_names.index(class_name)
        heat, why_none = None, ""
        try:
            heat = heatmaps(self.explainer, batch, np.array([shown]))[0].numpy()
        except Exception as error:  # the classes are told in any case
            logger.debug("no heatmap", exc_info=True)
            why_none = one_line(error)
        return Look(
            pixels=decoded.pixels,
            size=shown_size(decoded.size, self.input, PANEL),
            ranking=[(self.class_names[i], float(probabilities[i])) for i in order],
            shown=self.class_names[shown],
            heat=heat,
            why_none=why_none,
        )


def find_classifier(store: Store, name: str, context: str | None = None) -> TrackedClassifier:
    """Load the newest completed run of a name that kept its weights.

    Args:
        store: Where runs are tracked.
        name: Of a run, such as ``resnet18-frozen/xgboost-n100-d10``.
        context: How the id of its context begins; None for any.

    Raises:
        UserError: There is none, or it did not keep what it takes; says what to type.
    """
    known = fetch(store)
    if name not in set(known["run"]):
        raise UserError(f"no completed run is called {name!r}; {near(name, known['run'])}")
    query = f"tags.completed = 'true' and attributes.run_name = '{name}'"
    runs = [
        run
        for run in search(store, query)
        if context is None or run.data.tags["context"].startswith(context)
    ]
    if not runs:
        raise UserError(
            f"{name} has no run in the context {context!r}; bench leaderboard lists them"
        )
    kept = {run.info.run_id for run in search(store, "tags.weights_file = 'kept'")}
    for run in runs:
        backbone = run.data.tags.get("backbone_run_id", run.info.run_id)
        if {run.info.run_id, backbone} <= kept:
            return _load(Tracker(store), run, backbone)
    raise UserError(
        f"{name} kept no weights; repeat it with the same --data and settings: "
        f"bench run {name} --save-weights all --force"
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
    explainer: Explainer = NetworkExplainer(network, model)
    if system.head is not None:
        kept = {entry.path for entry in tracker.client.list_artifacts(run_id)}
        name = next((name for name in HEAD_FILES if name in kept), HEAD_FILES[0])
        with tracker.artifact(run_id, name) as file:
            head = load_head(system.head, file)
        embeddings, _ = read_embeddings(tracker, backbone)
        explainer = HeadExplainer(network, model, head, heads[system.head], embeddings.mean(0))
    return TrackedClassifier(
        explainer=explainer,
        class_names=class_names,
        image_size=size,
        input=input_,
        device=device,
    )


def _read_classes(tracker: Tracker, run_id: str, count: int) -> list[str]:
    with tracker.artifact(run_id, f"predictions/{CLASSES_FILE}") as file:
        names = json.loads(file.read_text())
        if not isinstance(names, list) or len({*map(str, names)}) != count:
            raise ValueError(f"it does not name {count} classes")
    return [*map(str, names)]
