"""Turns a run's artifacts into tables, explanations and pictures; what is missing is None."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from PIL import Image

from benchmark.data.eda import class_pictures
from benchmark.explain.gallery import Explained
from benchmark.tracking.artifacts import bring
from benchmark.tracking.store import Store
from registry.errors import one_line

NAMES = ("class", "true", "predicted", "image", "name", "kind", "detail")
"""Columns of text: a class may be called 007, or NA."""
_EXPLORATION = {
    "classes": ("class", "images", "train", "val", "test"),
    "sizes": ("width", "height", "images", "share"),
    "findings": ("kind", "name", "detail"),
}
"""Tables of an exploration and what is shown of them."""
logger = logging.getLogger(__name__)
T = TypeVar("T")


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
        self.store = store
        self._folder = folder
        self._repositories: dict[str, Any] = {}

    def read(self, run: Run, name: str) -> bytes | None:
        """Bring a file of a run."""
        uri = run.info.artifact_uri
        folder = self._folder / run.info.run_id
        folder.mkdir(exist_ok=True)
        # MlflowClient would look the run up for every file, which takes 40 times as long.
        if uri not in self._repositories:
            self._repositories[uri] = get_artifact_repository(uri, self.store.uri)
        try:
            return bring(self._repositories[uri], name, folder).read_bytes()
        except (MlflowException, OSError):
            return None

    def json(self, run: Run, name: str) -> dict[str, Any] | None:
        """Bring a JSON file."""
        return self._parsed(run, name, lambda content: {**json.loads(content)})

    def table(self, run: Run, name: str, columns: Sequence[str]) -> pd.DataFrame | None:
        """Bring a CSV file that has some columns; `NAMES` are text whatever they look like."""
        text = dict.fromkeys(NAMES, str)

        def parse(content: bytes) -> pd.DataFrame:
            table = pd.read_csv(io.BytesIO(content), dtype=text, keep_default_na=False)
            table[[*columns]]  # raises if one is missing
            return table

        return self._parsed(run, name, parse)

    def image(self, run: Run, name: str) -> Image.Image | None:
        """Bring a picture."""
        return self._parsed(
            run, name, lambda content: Image.open(io.BytesIO(content)).convert("RGB")
        )

    def _parsed(self, run: Run, name: str, parse: Callable[[bytes], T]) -> T | None:
        """Bring a file and make something of it; one that is something else is left out."""
        content = self.read(run, name)
        if content is None:
            return None
        try:
            return parse(content)
        except Exception as error:  # what reads files raises errors of many libraries
            told = f"{name} of {run.info.run_name} is left out, since it is something else"
            logger.warning("%s (%s)", told, one_line(error))
            return None

    def explanations(self, run: Run) -> Explanations | None:
        """Bring what a run says of single images, without the pictures."""

        def parse(content: bytes) -> Explanations:
            found = json.loads(content)
            return Explanations(
                kind=found["kind"],
                images=[Explained(**entry) for entry in found["images"]],
                mistakes=[Explained(**entry) for entry in found["mistakes"]],
            )

        return self._parsed(run, "explanations/explanations.json", parse)

    def exploration(self, run: Run) -> Exploration | None:
        """Bring what the data's run logged."""
        classes, sizes, findings = (
            self.table(run, f"exploration/{name}.csv", columns)
            for name, columns in _EXPLORATION.items()
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
