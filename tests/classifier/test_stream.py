"""Any number of pictures of any kind go through a classifier in batches, in their order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.classifier.pictures import Picture
from benchmark.classifier.tracked import AHEAD, TrackedClassifier
from benchmark.training.network import build_network
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
