"""What a classifier said of a split: the seam behind which networks and heads are the same."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from benchmark.data.prepared import PreparedData
from benchmark.data.splits import Split
from benchmark.processes.permissions import usual_permissions

_TOLD = 5
"""How many of an image's classes its row of the table has."""
CLASSES_FILE = "classes.json"
"""The classes in the order of the probabilities."""


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Probabilities for the images of a split.

    Attributes:
        split: Which.
        names: (N,) names of the images.
        labels: (N,) true classes.
        probabilities: (N, C), rows sum to one.
        class_names: (C,).
    """

    split: Split
    names: list[str]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    class_names: list[str]
    groups: list[str] = field(default_factory=list)
    """(N,) which of the images are copies of each other; empty where that is not known."""

    @cached_property
    def copy_of(self) -> list[str]:
        """(N,) the first of the images that each is a copy of; empty for one without copies."""
        if not self.groups:
            return [""] * len(self.names)
        first: dict[str, str] = {}
        for name, group in zip(self.names, self.groups, strict=True):
            first.setdefault(group, name)
        count = Counter(self.groups)
        return [first[group] if count[group] > 1 else "" for group in self.groups]

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """(N,) most probable classes."""
        predicted: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return predicted

    @cached_property
    def correct(self) -> NDArray[np.bool_]:
        """(N,) whether these are the true ones."""
        correct: NDArray[np.bool_] = self.predicted == self.labels
        return correct

    def ranked(self) -> NDArray[np.intp]:
        """(N, C) classes, the most probable first; of equals the first, as in `predicted`."""
        return np.argsort(-self.probabilities, axis=1, kind="stable")

    @property
    def group_ids(self) -> NDArray[np.intp]:
        """(N,) numbers, the same for copies of each other: what intervals and tests count."""
        return np.unique(self.groups or self.names, return_inverse=True)[1]

    def table(self) -> pd.DataFrame:
        """A row an image: ``image``, ``true``, ``predicted``, ``probability``, ``correct``.

        Then what comes next in its probabilities, up to the fifth: ``predicted_2``,
        ``probability_2`` and so on, and ``copy_of``. SPLIT.safetensors has all probabilities.
        """
        classes = np.array(self.class_names)
        order = self.ranked()
        table = pd.DataFrame(
            {
                "image": self.names,
                "true": classes[self.labels],
                "predicted": classes[self.predicted],
                "probability": self.probabilities.max(axis=1).round(4),
                "correct": self.correct,
            }
        )
        for place in range(1, min(_TOLD, len(classes))):
            nth = order[:, place, None]
            table[f"predicted_{place + 1}"] = classes[nth[:, 0]]
            table[f"probability_{place + 1}"] = np.take_along_axis(self.probabilities, nth, axis=1)[
                :, 0
            ].round(4)
        return table.assign(copy_of=self.copy_of)

    def all_probabilities(self) -> pd.DataFrame:
        """A row an image: ``image``, ``true``, ``predicted``, and a column for each class."""
        table = self.table()[["image", "true", "predicted"]]
        return table.join(probability_columns(self.probabilities, self.class_names))

    def save(self, folder: Path) -> None:
        """Write SPLIT.csv, the table, SPLIT.safetensors, the probabilities, and classes.json."""
        folder.mkdir(parents=True, exist_ok=True)
        self.table().to_csv(folder / f"{self.split}.csv", index=False)
        arrays: dict[str, NDArray[Any]] = {
            "probabilities": np.ascontiguousarray(self.probabilities, dtype=np.float32),
            "labels": self.labels,
        }
        with usual_permissions(folder / f"{self.split}.safetensors") as file:
            save_file(arrays, file)
        (folder / CLASSES_FILE).write_text(json.dumps(self.class_names))

    @classmethod
    def load(cls, folder: Path, split: Split) -> Predictions:
        """Read what `save` wrote."""
        table = pd.read_csv(folder / f"{split}.csv", dtype=str, keep_default_na=False)
        arrays = load_file(folder / f"{split}.safetensors")
        first = table["copy_of"] if "copy_of" in table else pd.Series("", table.index)
        return cls(
            split=split,
            names=table["image"].tolist(),
            labels=arrays["labels"],
            probabilities=arrays["probabilities"],
            class_names=json.loads((folder / CLASSES_FILE).read_text()),
            groups=first.where(first != "", table["image"]).tolist(),
        )


def probability_columns(
    probabilities: NDArray[np.floating[Any]], class_names: list[str]
) -> pd.DataFrame:
    """Probabilities (N, C) as a column for each class; one called ``image`` is ``class image``."""
    taken = ("image", "true", "predicted")
    names = [f"class {name}" if name in taken else name for name in class_names]
    return pd.DataFrame(probabilities, columns=names)


def predict_split(
    data: PreparedData, split: Split, probabilities: NDArray[np.float32]
) -> Predictions:
    """Put probabilities (N, C) for the rows of a split together with what is true."""
    rows = data.rows(split)
    return Predictions(
        split=split,
        names=[data.samples[row].name for row in rows],
        labels=data.labels[rows],
        probabilities=probabilities,
        class_names=data.class_names,
        groups=[data.groups[row] for row in rows],
    )
