from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.execution.planning import Study, plan_study
from benchmark.study.config import Config, override
from benchmark.study.suite import find_systems


def plan(config: Config, home: Path, *settings: str) -> Study:
    return plan_study(override(config, settings), find_systems(["resnet18-frozen"]), home)


def test_repeats_share_their_images_and_the_weights_they_start_from(
    config: Config, tmp_path: Path
) -> None:
    first, repeat = (plan(config, tmp_path, f"seed={seed}") for seed in (0, 1))
    assert first.data.spec == repeat.data.spec
    (pretraining, run), (same, again) = first.plan, repeat.plan
    assert pretraining.id == same.id
    assert run.id != again.id


def test_another_split_seed_divides_the_images_anew(config: Config, tmp_path: Path) -> None:
    first, other = (plan(config, tmp_path, f"data.split_seed={seed}") for seed in (0, 1))
    assert set(first.data.rows("test")) != set(other.data.rows("test"))
    (pretraining, _), (same, _) = first.plan, other.plan
    assert pretraining.id == same.id


def test_staged_fine_tuning_that_never_comes_to_its_backbone_is_told(
    config: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = find_systems(["resnet18-frozen", "resnet18-staged"])
    for epochs in (3, 2):
        few = override(config, [f"train.epochs={epochs}", "train.freeze_epochs=2"])
        plan_study(few, chosen, tmp_path, seeds=(0, 1))
    (told,) = caplog.messages
    assert told.startswith("resnet18-staged: frozen for 2 of at most 2 epochs")
    assert told.endswith("type: --set train.freeze_epochs=1")
