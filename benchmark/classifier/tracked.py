"""Turns a run's name into its trained classifier, for pictures from outside."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from benchmark.classifier.completed import find_runs
from benchmark.classifier.network import load_network, read_embeddings
from benchmark.classifier.pictures import Picture, as_list, name_of, read_picture
from benchmark.data.decode import Decoded
from benchmark.data.framing import shown_size
from benchmark.evaluation.predictions import CLASSES_FILE, probability_columns
from benchmark.explain.deletion import measure_deletion
from benchmark.explain.explainers import (
    Explainer,
    HeadExplainer,
    NetworkExplainer,
    heatmaps,
)
from benchmark.explain.panels import PANEL
from benchmark.study.config import Precision
from benchmark.study.inputs import read_input
from benchmark.study.plan import DataSpec
from benchmark.study.suite import System
from benchmark.tracking.reader import search
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from benchmark.training.devices import autocast, find_device
from benchmark.training.heads import HEAD_FILES, head_probabilities, load_head
from benchmark.training.inference import classify, inference_batch
from benchmark.training.network import Network
from registry import HeadSpec, InputSpec, heads, models
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
        kind: Of heatmap.
        told: How much the heatmap is worth, or why there is none, in one line.
    """

    pixels: NDArray[np.uint8]
    size: tuple[int, int]
    ranking: list[tuple[str, float]]
    shown: str
    heat: NDArray[np.float32] | None
    kind: str
    told: str


@dataclass(frozen=True, kw_only=True)
class TrackedClassifier:
    """A trained classifier from MLflow.

    Attributes:
        explainer: The classifier.
        network: Its network.
        head: On the network's embeddings, and fitted; None for the network itself.
        class_names: In the order of its probabilities.
        image_size: Side of its images in pixels.
        input: How they are made of pictures.
        precision: In which its network was run.
        device: Where it is.
    """

    explainer: Explainer
    network: Network
    head: tuple[HeadSpec, Any] | None
    class_names: list[str]
    image_size: int
    input: InputSpec
    precision: Precision
    device: torch.device

    def predict(self, pictures: Picture | Sequence[Picture]) -> pd.DataFrame:
        """Classify pictures, decoded as in training.

        Args:
            pictures: Files, images of PIL or arrays; one of them or many.

        Returns:
            A row a picture: ``image`` (its file, or which one it is, from 0), ``predicted``, and a
            column with the probability of each class.

        Raises:
            UserError: One is no picture.
        """
        listed = as_list(pictures)
        size = inference_batch(self.device)
        parts = [
            self._probabilities(
                [read_picture(one, self.image_size, self.input) for one in listed[start:][:size]]
            )
            for start in range(0, len(listed), size)
        ]
        probabilities = np.concatenate([np.empty((0, len(self.class_names))), *parts])
        classes = np.array(self.class_names)
        named = pd.DataFrame(
            {
                "image": [name_of(one, place) for place, one in enumerate(listed)],
                "predicted": classes[probabilities.argmax(axis=1)],
            }
        )
        return named.join(probability_columns(probabilities, self.class_names))

    def _batch(self, pictures: Sequence[Decoded]) -> torch.Tensor:
        batch = torch.from_numpy(np.stack([one.pixels for one in pictures])).to(self.device)
        return batch.permute(0, 3, 1, 2) / 255

    @torch.inference_mode()
    def _probabilities(self, pictures: Sequence[Decoded]) -> NDArray[np.floating[Any]]:
        """As the run itself did: in its precision, and the last layer in float32."""
        with autocast(self.device, self.precision):
            features = self.network.embed(self._batch(pictures))
        embeddings: NDArray[np.float32] = features.float().cpu().numpy()
        if self.head is None:
            return classify(self.network, embeddings)
        return head_probabilities(*self.head, embeddings, len(self.class_names))

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
        decoded = read_picture(path, self.image_size, self.input)
        batch = self._batch([decoded])
        probabilities = self.explainer.classify(batch)[0]
        order = np.argsort(-probabilities, kind="stable")
        shown = int(order[0]) if class_name is None else self.class_names.index(class_name)
        heat, kind, told = None, "", ""
        try:
            found = heatmaps(self.explainer, batch, classes := np.array([shown]))
            deletion = measure_deletion(self.explainer.classify, batch, classes, found.maps)
            heat, kind, told = found.maps[0].numpy(), found.kind, deletion.told(0)
        except Exception as error:  # the classes are told in any case
            logger.debug("no heatmap", exc_info=True)
            told = one_line(error)
        return Look(
            pixels=decoded.pixels,
            size=shown_size(decoded.size, self.input, PANEL),
            ranking=[(self.class_names[i], float(probabilities[i])) for i in order],
            shown=self.class_names[shown],
            heat=heat,
            kind=kind,
            told=told,
        )


def find_classifier(store: Store, name: str, context: str | None = None) -> TrackedClassifier:
    """Load the newest completed run of a name that kept its weights.

    Args:
        store: Where runs are tracked.
        name: Of a run, such as ``resnet18-frozen/xgboost-n100-d10``, or its id.
        context: How the id of its context begins; None for any.

    Raises:
        UserError: There is none, or it did not keep what it takes; says what to type.
    """
    runs = find_runs(store, name, context)
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
    on_network: tuple[HeadSpec, Any] | None = None
    if system.head is not None:
        kept = {entry.path for entry in tracker.client.list_artifacts(run_id)}
        name = next((name for name in HEAD_FILES if name in kept), HEAD_FILES[0])
        with tracker.artifact(run_id, name) as file:
            head = load_head(system.head, file)
        on_network = heads[system.head], head
        embeddings, _ = read_embeddings(tracker, backbone)
        explainer = HeadExplainer(network, model, head, heads[system.head], embeddings.mean(0))
    return TrackedClassifier(
        explainer=explainer,
        network=network,
        head=on_network,
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
