"""Networks made for other images than the study's stand in one table with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from benchmark.classifier.loading import find_classifier
from benchmark.classifier.network import load_network
from benchmark.data.framing import make_square
from benchmark.ranking.runs import fetch
from benchmark.ranking.systems import rank_systems
from benchmark.ranking.tables import summary
from benchmark.runs.run_one import open_tracker
from benchmark.study.config import Config, override
from benchmark.study.plan import RunSpec
from benchmark.tracking.store import Store
from benchmark.training.network import build_network
from registry import InputSpec, models
from registry.errors import UserError
from registry.specs import ModelSpec
from tests.studies import artifact, run, tracked

CROPPED = InputSpec(
    size=40, aspect="crop", interpolation="bicubic", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
)
STUDY_SIZE = 32


@pytest.fixture
def cropped() -> Iterator[str]:
    """A model that was made for crops of 40 x 40 pixels."""
    factory = models["convmixer"].factory
    models.add(ModelSpec(name="cropped", title="Cropped", factory=factory, input=CROPPED))
    yield "cropped-scratch"
    models.remove("cropped")


@pytest.fixture
def own_sizes(config: Config) -> Config:
    """A study in which each model has images of its own size."""
    return override(config, ["data.image_size=none", f"data.study_size={STUDY_SIZE}"])


def test_a_table_holds_networks_of_any_input_on_the_same_splits(
    own_sizes: Config, store: Store, cropped: str
) -> None:
    outcomes = run(own_sizes, "convmixer", cropped)
    assert {outcome.status for outcome in outcomes.values()} == {"completed"}
    specs = {name: outcome.spec for name, outcome in outcomes.items()}
    assert {spec.image_size for spec in specs.values()} == {STUDY_SIZE, CROPPED.size}
    assert len({spec.context for spec in specs.values()}) == 1
    assert len(summary(rank_systems(store, fetch(store)))) == 2
    stores = sorted(path.name.partition("-")[2] for path in Path("home/data").glob("*px*"))
    assert stores == ["32px", "40px-crop-bicubic"]
    tracker, tables = open_tracker(store), []
    for name in specs:
        (found,) = tracked(store, name)
        tables.append(pd.read_csv(artifact(tracker, found.info.run_id, "predictions/test.csv")))
        assert found.data.params["data.image_size"] == str(STUDY_SIZE)
    assert (tables[0]["image"] == tables[1]["image"]).all()


def test_one_size_may_be_set_for_all(own_sizes: Config, store: Store, cropped: str) -> None:
    config = override(own_sizes, ["data.image_size=48"])
    specs = [outcome.spec for outcome in run(config, "convmixer", cropped).values()]
    assert [spec.image_size for spec in specs] == [48, 48]
    assert specs[1].input.aspect == "crop"


def test_a_study_of_one_size_is_what_it_was_whatever_runs_beside_it(
    own_sizes: Config, store: Store, cropped: str
) -> None:
    """Neither the ids nor the figures of the study's systems know of the others."""
    alone = run(override(own_sizes, ["data.image_size=32"]), "convmixer")
    beside = run(own_sizes, cropped, "convmixer")
    assert beside["convmixer-scratch"].reused
    assert beside["convmixer-scratch"].spec == alone["convmixer-scratch"].spec


def test_a_picture_from_outside_is_shown_to_a_network_as_in_training(
    own_sizes: Config, store: Store, cropped: str, image_folder: Path
) -> None:
    outcomes = run(own_sizes, cropped, save_weights="all")
    spec: RunSpec = outcomes[cropped].spec
    picture = image_folder / "red" / "00.png"
    look = find_classifier(store, cropped).look_at(picture)
    square = make_square(Image.open(picture).convert("RGB"), spec.image_size, CROPPED)
    np.testing.assert_array_equal(look.pixels, square)
    (found,) = tracked(store, cropped)
    network = build_network("cropped", "scratch", 40, 3).eval()
    weights = artifact(open_tracker(store), found.info.run_id, "weights.safetensors")
    network.load_state_dict(load_file(weights))
    with torch.no_grad():
        pixels = torch.from_numpy(np.array(square)).permute(2, 0, 1)[None] / 255
        expected = network(pixels).softmax(1)[0].max()
    assert look.ranking[0][1] == pytest.approx(float(expected), abs=1e-4)

    models.remove("cropped")  # and corrected: what was trained before stays what it was
    factory = models["convmixer"].factory
    models.add(ModelSpec(name="cropped", title="Cropped", factory=factory))
    load_network.cache_clear()
    assert find_classifier(store, cropped).look_at(picture).ranking == look.ranking


def test_weights_that_are_not_finite_classify_nothing(own_sizes: Config, store: Store) -> None:
    run(own_sizes, "convmixer", save_weights="all")
    (found,) = tracked(store, "convmixer-scratch")
    file = artifact(open_tracker(store), found.info.run_id, "weights.safetensors")
    weights = load_file(file)
    name = next(name for name, tensor in weights.items() if tensor.is_floating_point())
    weights[name].view(-1)[-1] = float("nan")
    save_file(weights, file)
    load_network.cache_clear()
    with pytest.raises(UserError, match=r"is not finite.*repeat that run"):
        find_classifier(store, "convmixer-scratch")
