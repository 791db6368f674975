"""A machine that lacks the images decodes the same ones from its own --data, or says so."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmark.data.prepared import PreparedData
from benchmark.execution.node_images import bring_images
from benchmark.execution.planning import plan_study
from benchmark.study.config import Config
from benchmark.study.plan import Plan
from benchmark.study.suite import find_systems
from registry.errors import UserError


@pytest.fixture
def plan(config: Config, workplace: Path) -> Plan:
    return plan_study(config, find_systems(["resnet18-frozen"]), workplace / "driver").plan


def test_images_that_are_there_are_taken(plan: Plan, config: Config, workplace: Path) -> None:
    for spec in plan:
        assert bring_images(spec, config, workplace / "driver") == workplace / "driver"
    assert not (workplace / "home").exists()


def test_a_machine_without_them_decodes_the_same(
    plan: Plan, config: Config, workplace: Path
) -> None:
    for spec in plan:  # the pretraining's drawn images, too
        own = bring_images(spec, config, workplace / "elsewhere")
        assert own == workplace / "home"
        found = PreparedData(spec.data, own, spec.input)
        there = PreparedData(spec.data, workplace / "driver", spec.input)
        assert (found.images == there.images).all()
        assert (found.splits == there.splits).all()
        assert found.class_names == there.class_names


def test_other_images_or_none_are_told(
    plan: Plan, config: Config, workplace: Path, image_folder: Path
) -> None:
    (spec,) = [spec for spec in plan if not spec.pretraining]
    other = shutil.copytree(image_folder, workplace / "other")
    (other / "red" / "00.png").unlink()
    for source, told in (
        (other, r"other images in .*other \(41"),
        (workplace / "no", "finds none"),
    ):
        data = config.data.model_copy(update={"source": str(source)})
        with pytest.raises(UserError, match=told):
            bring_images(spec, config.model_copy(update={"data": data}), workplace / "elsewhere")
