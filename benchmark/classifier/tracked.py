"""Turns pictures from outside into a trained classifier's probabilities, and where it looked."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.classifier.calibration import Calibration
from benchmark.classifier.pictures import (
    Picture,
    as_list,
    decode_picture,
    name_of,
    read_picture,
    unreadable,
)
from benchmark.data.decode import Decoded, Undecodable
from benchmark.data.framing import shown_size
from benchmark.evaluation.predictions import probability_columns
from benchmark.explain.deletion import measure_deletion
from benchmark.explain.explainers import Explainer, heatmaps
from benchmark.explain.panels import PANEL
from benchmark.study.config import Precision
from benchmark.training.devices import autocast
from benchmark.training.heads import head_probabilities
from benchmark.training.inference import classify, inference_batch
from benchmark.training.memory import Pieces
from benchmark.training.network import Network
from registry import HeadSpec, InputSpec
from registry.core import near
from registry.errors import UserError, one_line

logger = logging.getLogger(__name__)
AHEAD = 4
"""So many batches of pictures are decoded while earlier ones go through the network."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a classifier says of one picture of a stream.

    Attributes:
        picture: As it was given.
        name: Its file's, or which of all it is, from 0.
        decoded: As the classifier sees it; None if it cannot be read.
        probabilities: (C,) float32; empty if it cannot be read.
        reason: Why it cannot be read; else empty.
    """

    picture: Picture
    name: str
    decoded: Decoded | None
    probabilities: NDArray[np.float32]
    reason: str = ""


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
    """A trained classifier, from MLflow or from a packed folder.

    Attributes:
        name: Of the run.
        make_explainer: Makes what shows where it looked.
        network: Its network.
        head: On the network's embeddings, and fitted; None for the network itself.
        class_names: In the order of its probabilities.
        image_size: Side of its images in pixels.
        input: How they are made of pictures.
        precision: In which its network was run.
        device: Where it is.
        calibration: From its val images; None if its run stored nothing of them.
    """

    name: str
    make_explainer: Callable[[], Explainer]
    network: Network
    head: tuple[HeadSpec, Any] | None
    class_names: list[str]
    image_size: int
    input: InputSpec
    precision: Precision
    device: torch.device
    calibration: Calibration | None = None

    @cached_property
    def explainer(self) -> Explainer:
        """The classifier as what shows where it looked.

        Raises:
            UserError: What that takes is gone.
        """
        return self.make_explainer()

    def predict(self, pictures: Picture | Sequence[Picture]) -> pd.DataFrame:
        """Classify pictures, decoded as in training.

        Args:
            pictures: Files, their contents, images of PIL or arrays; one of them or many.

        Returns:
            A row a picture: ``image`` (its file, or which one it is, from 0), ``predicted``, and a
            column with the probability of each class.

        Raises:
            UserError: One is no picture.
        """
        names, rows = [], []
        for one in self.stream(as_list(pictures)):
            if one.reason:
                raise unreadable(one.picture, one.reason)
            names.append(one.name)
            rows.append(one.probabilities)
        probabilities = np.array(rows, dtype=np.float64).reshape(-1, len(self.class_names))
        predicted = np.array(self.class_names)[probabilities.argmax(axis=1)]
        named = pd.DataFrame({"image": names, "predicted": predicted})
        return named.join(probability_columns(probabilities, self.class_names))

    def stream(self, pictures: Iterable[Picture], batch: int | None = None) -> Iterator[Answer]:
        """Classify any number of pictures, in their order, holding a few batches in memory.

        Args:
            pictures: Files, their contents, images of PIL or arrays; may be endless.
            batch: How many go through the network at once; None for as many as the benchmark's
                own inference.

        Yields:
            An answer a picture; of one that cannot be read, the reason.
        """
        size = batch or inference_batch(self.device, self.image_size)
        waiting: list[tuple[Picture, str, Decoded | str]] = []
        readable = 0
        for one in self._decoded(pictures, AHEAD * size):
            waiting.append(one)
            readable += not isinstance(one[2], str)
            if readable == size or len(waiting) == AHEAD * size:
                yield from self._answers(waiting)
                waiting, readable = [], 0
        yield from self._answers(waiting)

    def _decoded(
        self, pictures: Iterable[Picture], ahead: int
    ) -> Iterator[tuple[Picture, str, Decoded | str]]:
        """Decode in threads, at most so many ahead; in place of an unreadable one, the reason."""
        queue: deque[tuple[Picture, str, Future[Decoded | str]]] = deque()
        pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="decode")
        try:
            for place, picture in enumerate(pictures):
                queue.append((picture, name_of(picture, place), pool.submit(self._decode, picture)))
                if len(queue) >= ahead:
                    picture, name, future = queue.popleft()
                    yield picture, name, future.result()
            while queue:
                picture, name, future = queue.popleft()
                yield picture, name, future.result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _decode(self, picture: Picture) -> Decoded | str:
        try:
            return self.decode(picture)
        except Undecodable as error:
            return str(error)

    def _answers(self, waiting: Sequence[tuple[Picture, str, Decoded | str]]) -> Iterator[Answer]:
        seen = [decoded.pixels for _, _, decoded in waiting if isinstance(decoded, Decoded)]
        rows = iter(self.probabilities(np.stack(seen)) if seen else ())
        for picture, name, decoded in waiting:
            if isinstance(decoded, str):
                nothing = np.empty(0, dtype=np.float32)
                yield Answer(
                    picture=picture,
                    name=name,
                    decoded=None,
                    probabilities=nothing,
                    reason=decoded,
                )
            else:
                yield Answer(picture=picture, name=name, decoded=decoded, probabilities=next(rows))

    def decode(self, picture: Picture) -> Decoded:
        """Make of a picture the square that the network is shown, exactly as in training.

        Raises:
            Undecodable: It is none, or a damaged one; the message is the reason alone.
            UserError: It is an array of another shape or kind.
        """
        return decode_picture(picture, self.image_size, self.input)

    def probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Classify one batch (N, S, S, 3): probabilities (N, C)."""
        return self.answers(pixels)[0]

    @torch.inference_mode()
    def answers(self, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Classify one batch, as the run itself did: in its precision, the last layer in float32.

        Args:
            pixels: (N, S, S, 3), as `decode` gives them; if the device's memory does not hold the
                batch, it goes through it in pieces.

        Returns:
            Probabilities (N, C), and the embeddings (N, F) that they are of.
        """

        def embed(pieces: Sequence[Tensor]) -> Tensor:
            with autocast(self.device, self.precision):
                return torch.cat([self.network.embed(self._batch(one)).float() for one in pieces])

        embeddings = Pieces().fit(torch.from_numpy(pixels), embed).cpu().numpy()
        if self.head is None:
            return classify(self.network, embeddings), embeddings
        return head_probabilities(*self.head, embeddings, len(self.class_names)), embeddings

    def _batch(self, pixels: Tensor) -> Tensor:
        return pixels.to(self.device).permute(0, 3, 1, 2) / 255

    def look_at(self, picture: Picture, class_name: str | None = None) -> Look:
        """Classify a picture, decoded as in training, and explain a class.

        Args:
            picture: A file, its content, an image of PIL or an array.
            class_name: What to explain; None for the most probable class.

        Raises:
            UserError: The file is no picture, or there is no such class.
        """
        if class_name is not None and class_name not in self.class_names:
            raise UserError(
                f"no class is called {class_name!r}; {near(class_name, self.class_names)}"
            )
        decoded = read_picture(picture, self.image_size, self.input)
        batch = self._batch(torch.from_numpy(np.stack([decoded.pixels])))
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
