"""What a plugin that fails does to commands: they name it, and what does not need it goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from benchmark.cli import main
from benchmark.tracking.store import Store
from tests.plugins import HEAD, MODEL, install
from tests.studies import tracked

BROKEN = MODEL.replace('"tiny"', '"half"') + "\nraise RuntimeError('no such device')\n"
FAILING = f"""from registry import UserError
{MODEL}

class Stuck(Tiny):
    def forward_features(self, x):
        raise KeyError("stuck")


class Wide(Tiny):
    num_features = 9


class Fickle(Tiny):
    def forward_features(self, x):
        if x.device.type != "meta":
            raise OSError("only in earnest")
        return super().forward_features(x)


@register_model("none", title="None")
def none(image_size):
    raise ValueError("not today\\nnor tomorrow")


@register_model("large", title="Large")
def large(image_size):
    if image_size < 64:
        raise UserError(f"large takes images from 64 pixels on, not {{image_size}}")
    return Tiny()


@register_model("leaving", title="Leaving")
def leaving(image_size):
    raise SystemExit(0)


register_model("stuck", title="Stuck")(lambda image_size: Stuck())
register_model("wide", title="Wide")(lambda image_size: Wide())
register_model("fickle", title="Fickle")(lambda image_size: Fickle())
"""
HEADS = f"""{HEAD}
from sklearn.linear_model import RidgeClassifier


class Bad(DummyClassifier):
    def predict_proba(self, X):
        return super().predict_proba(X)[:, 1:]


class Lost(DummyClassifier):
    def predict_proba(self, X):
        return super().predict_proba(X) * float("nan")


class Exiting(DummyClassifier):
    def fit(self, X, y):
        raise SystemExit(0)


register_head("lost", title="Lost")(lambda seed, jobs: Lost())
register_head("exiting", title="Exiting")(lambda seed, jobs: Exiting())
register_head("mute", title="Mute")(lambda seed, jobs: RidgeClassifier())
register_head("late", title="Late")(lambda seed, jobs: DummyClassifier(strategy="none such"))
register_head("bad", title="Bad")(lambda seed, jobs: Bad())
"""
PLAIN = ["--device", "cpu", "--weights", "demo", "--no-explain", "--set", "train.epochs=1"]
SMALL = ["--set", "data.image_size=32", "--set", "pretrain.epochs=1", "--set"]
SMALL += ["pretrain.species=2", "--set", "pretrain.images_per_species=6"]


def bench(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def reasons() -> dict[str, str]:
    rows = json.loads(bench("ls", "runs", "--format", "json").stdout)
    return {row["run"]: row["reason"] for row in rows if row["status"] == "failed"}


def test_broken_plugin_is_one_line_of_stderr_and_lists_are_whole(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, workplace / "site", broken=BROKEN, majority=HEAD)
    result = bench("ls", "heads", "--format", "json")
    assert result.exit_code == 0
    assert result.stderr == (
        "Warning: plugin broken (bench_broken) cannot be loaded: RuntimeError: no such device; "
        "mend it or uninstall its package\n"
    )
    assert "majority" in {row["name"] for row in json.loads(result.stdout)}
    asked = bench("run", "half")
    assert asked.exit_code == 2
    assert "no system is called 'half'" in asked.stderr
    assert "RuntimeError: no such device" in asked.stderr.splitlines()[-1]
    assert "bench_broken.py" in bench("--traceback", "run", "half").stderr


def test_systems_whose_plugin_fails_are_listed_with_the_reason(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, workplace / "site", failing=FAILING, heads=HEADS)
    result = bench("ls", "systems", "--format", "json")
    assert result.exit_code == 0, result.output
    why = {row["name"]: row["unavailable"] for row in json.loads(result.stdout)}
    of_model = "model {} of the plugin bench_failing failed: {}"
    assert why["none-scratch"] == of_model.format("none", "ValueError: not today")
    assert why["stuck-scratch"] == of_model.format("stuck", "KeyError: 'stuck'")
    assert why["wide-scratch"] == (
        "model wide: forward_head makes embeddings (2, 4) of two images, "
        "where num_features=9 promises (2, 9)"
    )
    assert why["efficientnet_lite0-frozen/mute"] == (
        "head mute of the plugin bench_heads failed: "
        "TypeError: the factory makes RidgeClassifier, which has no predict_proba"
    )
    assert {name for name, reason in why.items() if not reason} >= {
        "tiny-scratch",
        "convmixer-scratch",
    }


def test_nothing_but_a_model_that_fails_is_an_error_before_anything_is_decoded(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, workplace / "site", failing=FAILING)
    result = bench("run", "none")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "Error: model none of the plugin bench_failing failed: ValueError: not today",
        "bench --traceback COMMAND … shows where",
    ]
    assert "nor tomorrow" in bench("--traceback", "run", "none").stderr
    assert not (workplace / "home").exists()


def test_plan_shows_what_cannot_be_made(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, image_folder: Path
) -> None:
    install(monkeypatch, workplace / "site", failing=FAILING)
    data = ["--data", str(image_folder), *PLAIN, *SMALL]
    result = bench("run", "none", "tiny", *data, "--dry-run")
    assert result.exit_code == 0, result.output
    assert "none-scratch  beyond the study, cannot be made" in result.stdout
    assert "tiny-scratch  beyond the study, 319 parameters" in result.stdout


def test_runs_of_a_plugin_that_fails_keep_its_reason_and_the_rest_go_on(
    store: Store, workplace: Path, monkeypatch: pytest.MonkeyPatch, image_folder: Path
) -> None:
    install(monkeypatch, workplace / "site", failing=FAILING, heads=HEADS)
    names = ["none", "large", "fickle", "leaving", "tiny"]
    result = bench("run", *names, "--data", str(image_folder), *PLAIN, *SMALL)
    assert result.exit_code == 1, result.output + result.stderr
    none = "model none of the plugin bench_failing failed: ValueError: not today"
    fickle = "model fickle of the plugin bench_failing failed: OSError: only in earnest"
    large = "large takes images from 64 pixels on, not 32"
    leaving = "model leaving of the plugin bench_failing failed: SystemExit: 0"
    assert result.stderr == f"Warning: {none}\nWarning: {large}\nWarning: {leaving}\n"
    assert f"none-scratch: failed: {none}" in result.stdout
    assert "tiny-scratch: test accuracy" in result.stdout
    assert reasons() == {
        "none-scratch": none,
        "large-scratch": large,
        "fickle-scratch": fickle,
        "leaving-scratch": leaving,
    }
    (run,) = tracked(store, "fickle-scratch")
    assert run.data.tags["error"] == fickle


def test_heads_that_fail_are_named_with_their_plugin(
    store: Store, workplace: Path, monkeypatch: pytest.MonkeyPatch, image_folder: Path
) -> None:
    install(monkeypatch, workplace / "site", failing=FAILING, heads=HEADS)
    names = ("mute", "late", "bad", "lost", "exiting")
    heads = [f"tiny-scratch/{name}" for name in (*names, "majority")]
    result = bench("run", *heads, "--data", str(image_folder), *PLAIN, *SMALL)
    assert result.exit_code == 1, result.output
    failed = reasons()
    assert {*failed} == {f"tiny-scratch/{name}" for name in names}
    assert all(why.startswith("head ") for why in failed.values())
    assert "of the plugin bench_heads failed" in failed["tiny-scratch/late"]
    assert failed["tiny-scratch/exiting"].endswith("failed: SystemExit: 0")
    assert "no probabilities" in failed["tiny-scratch/lost"]
    assert failed["tiny-scratch/bad"].endswith("an array of (6, 2), not of (6, 3)")
