"""Any number of pictures of any kind go through a classifier in batches, in their order."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from benchmark.classifier.pictures import Picture
from benchmark.classifier.tracked import AHEAD, TrackedClassifier
from benchmark.data.decode import Decoded
from benchmark.training.network import build_network
from registry.errors import UserError
from registry.specs import STUDY_INPUT
from tests.conftest import COLOURS, IMAGE_SIZE


@pytest.fixture
def classifier() -> TrackedClassifier:
    torch.manual_seed(0)
    network = build_network("basic_cnn", "scratch", IMAGE_SIZE, 3).eval()
    return TrackedClassifier(
        name="basic_cnn-scratch",
        make_explainer=lambda: pytest.fail("no map was asked for"),
        network=network,
        head=None,
        class_names=list(COLOURS),
        image_size=IMAGE_SIZE,
        input=STUDY_INPUT,
        precision="float32",
        device=torch.device("cpu"),
    )


def test_files_contents_and_broken_ones_are_answered_in_order(
    classifier: TrackedClassifier, image_folder: Path, tmp_path: Path
) -> None:
    files = sorted(image_folder.glob("*/*.png"))
    broken = tmp_path / "broken.png"
    broken.write_bytes(files[0].read_bytes()[:80])
    given: list[Picture] = [
        *files[:5],
        broken,
        files[5].read_bytes(),
        b"text",
        tmp_path / "gone.png",
        *files[6:9],
    ]
    alone = [classifier.predict(file).iloc[0, 2:].to_numpy(float) for file in files[:9]]
    for batch in (1, 2, 4, 100):
        answers = list(classifier.stream(iter(given), batch))
        assert [one.picture for one in answers] == given
        assert [place for place, one in enumerate(answers) if one.reason] == [5, 7, 8]
        assert [answers[place].reason.partition(":")[0] for place in (5, 7, 8)] == [
            "damaged",
            "not an image",
            "No such file or directory",
        ]
        read = [one.probabilities for one in answers if not one.reason]
        np.testing.assert_allclose(np.stack(read), alone, atol=1e-6)


def test_an_endless_stream_is_read_a_few_batches_ahead(
    classifier: TrackedClassifier, image_folder: Path
) -> None:
    content = (image_folder / "red" / "00.png").read_bytes()
    taken = []

    def endless() -> Iterator[bytes]:
        while True:
            taken.append(1)
            yield content if len(taken) % 2 else b"broken"

    stream = classifier.stream(endless(), batch=4)
    names = [next(stream).name for _ in range(50)]
    assert names == [str(place) for place in range(50)]
    assert len(taken) <= 50 + 3 * AHEAD * 4


def test_a_table_holds_no_pixels_and_ends_at_the_first_that_cannot_be_read(
    classifier: TrackedClassifier, image_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = (image_folder / "red" / "00.png").read_bytes()
    monkeypatch.setattr("benchmark.classifier.tracked.inference_batch", lambda *_: 2)
    alive: list[weakref.ref[NDArray[np.uint8]]] = []
    most: list[int] = []
    decode, classify = TrackedClassifier.decode, TrackedClassifier.probabilities

    def decoding(self: TrackedClassifier, picture: Picture) -> Decoded:
        decoded = decode(self, picture)
        alive.append(weakref.ref(decoded.pixels))
        return decoded

    def classifying(self: TrackedClassifier, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        most.append(sum(one() is not None for one in alive))
        return classify(self, pixels)

    monkeypatch.setattr(TrackedClassifier, "decode", decoding)
    monkeypatch.setattr(TrackedClassifier, "probabilities", classifying)
    assert len(classifier.predict([content] * 60)) == 60
    assert max(most) <= 3 * AHEAD * 2
    most.clear()
    with pytest.raises(UserError, match="a picture cannot be read"):
        classifier.predict([b"broken", *[content] * 59])
    assert len(most) == 1
