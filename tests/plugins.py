"""Lays plugins out as an installer would, for one test."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from registry import heads, models
from registry.plugins import plugins

HEAD = """
from sklearn.dummy import DummyClassifier
from registry import register_head


@register_head("majority", title="Majority Class", grid=({"strategy": "prior"},))
def majority(*, seed, jobs, **params):
    return DummyClassifier(random_state=seed, **params)
"""
MODEL = """
from torch import nn
from registry import register_model


class Tiny(nn.Module):
    num_features = 4

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 5, stride=4), nn.ReLU())

    def forward_features(self, x):
        return self.stem(x)

    def forward_head(self, x, pre_logits=True):
        return x.mean((2, 3))


@register_model("tiny", title="Tiny", cam_layer="stem")
def tiny(image_size):
    return Tiny()
"""


def write_plugin(folder: Path, name: str, code: str) -> None:
    """Write a package with its entry point."""
    (folder / f"bench_{name}.py").write_text(code)
    info = folder / f"bench_{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: bench-{name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[bench.plugins]\n{name} = bench_{name}\n")


def install(monkeypatch: pytest.MonkeyPatch, folder: Path, **code: str) -> None:
    """Install plugins by name and code; they are loaded when next asked for, as in a new process.

    When the test ends, they are gone.
    """
    for registry in (models, heads):
        list(registry)  # what is built in stays
        monkeypatch.setattr(registry, "_specs", dict(registry._specs))
        monkeypatch.setattr(registry, "_loaded", False)
    monkeypatch.setattr(plugins, "_begun", False)
    monkeypatch.setattr(plugins, "broken", [])
    folder.mkdir(exist_ok=True)
    for name, text in code.items():
        write_plugin(folder, name, text)
        monkeypatch.delitem(sys.modules, f"bench_{name}", raising=False)
    monkeypatch.syspath_prepend(folder)
