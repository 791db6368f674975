"""Turns a run's artifacts into tables, explanations and pictures; what is missing is None."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from PIL import Image, UnidentifiedImageError

from benchmark.data.eda import class_pictures
from benchmark.explain.gallery import Explained
from benchmark.tracking.artifacts import bring
from benchmark.tracking.store import Store

NAMES = ("class", "true", "predicted", "image", "name", "kind", "detail")
"""Columns of text: a class may be called 007, or NA."""


@dataclass(frozen=True, kw_only=True)
class Explanations:
    """What a run logged in ``explanations/``.

    Attributes:
        kind: Such as Grad-CAM.
        images: The same test images in all runs of a context.
        mistakes: Of each class, the worst.
    """

    kind: str
    images: list[Explained]
    mistakes: list[Explained]


@dataclass(frozen=True, kw_only=True)
class Exploration:
    """What the data's own run logged.

    Attributes:
        classes: ``class``, ``images``, ``train``, ``val``, ``test``.
        sizes: ``width``, ``height``, ``images``, ``share``.
        findings: ``kind``, ``name``, ``detail``.
        pictures: A train image of each class, where the store has one.
    """

    classes: pd.DataFrame
    sizes: pd.DataFrame
    findings: pd.DataFrame
    pictures: Mapping[str, Image.Image]


class Artifacts:
    """Reads artifacts of any run through a folder of its own."""

    def __init__(self, store: Store, folder: Path) -> None:
        """Read nothing yet.

        Args:
            store: Of the runs.
            folder: Empty; for files on their way.
        """
        self._store = store
        self._folder = folder
        self._repositories: dict[str, Any] = {}

    def read(self, run: Run, name: str) -> bytes | None:
        """Bring a file of a run."""
        uri = run.info.artifact_uri
        folder = self._folder / run.info.run_id
        folder.mkdir(exist_ok=True)
        # MlflowClient would look the run up for every file, which takes 40 times as long.
        if uri not in self._repositories:
            self._repositories[uri] = get_artifact_repository(uri, self._store.uri)
        try:
            return bring(self._repositories[uri], name, folder).read_bytes()
        except (MlflowException, OSError):
            return None

    def json(self, run: Run, name: str) -> dict[str, Any] | None:
        """Bring a JSON file."""
        content = self.read(run, name)
        return None if content is None else json.loads(content)

    def table(self, run: Run, name: str) -> pd.DataFrame | None:
        """Bring a CSV file; `NAMES` are text whatever they look like."""
        content = self.read(run, name)
        if content is None:
            return None
        text = dict.fromkeys(NAMES, str)
        return pd.read_csv(io.BytesIO(content), dtype=text, keep_default_na=False)

    def image(self, run: Run, name: str) -> Image.Image | None:
        """Bring a picture."""
        content = self.read(run, name)
        if content is None:
            return None
        try:
            return Image.open(io.BytesIO(content)).convert("RGB")
        except UnidentifiedImageError:
            return None

    def explanations(self, run: Run) -> Explanations | None:
        """Bring what a run says of single images, without the pictures."""
        found = self.json(run, "explanations/explanations.json")
        if found is None:
            return None
        return Explanations(
            kind=found["kind"],
            images=[Explained(**entry) for entry in found["images"]],
            mistakes=[Explained(**entry) for entry in found["mistakes"]],
        )

    def exploration(self, run: Run) -> Exploration | None:
        """Bring what the data's run logged."""
        classes, sizes, findings = (
            self.table(run, f"exploration/{name}.csv") for name in ("classes", "sizes", "findings")
        )
        if classes is None or sizes is None or findings is None:
            return None
        sheet = self.image(run, "exploration/classes.webp")
        cut = [] if sheet is None else class_pictures(sheet, len(classes))
        return Exploration(
            classes=classes,
            sizes=sizes,
            findings=findings,
            pictures=dict(zip(classes["class"], cut, strict=False)),
        )
