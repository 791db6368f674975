"""Turns names and values into runs, identified by their content and ordered by their needs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

from benchmark.study.config import TrainConfig
from benchmark.study.suite import BEYOND, System
from registry.specs import STUDY_INPUT, InputSpec

SPEC_VERSION = 9
"""Raise it when the same spec would give other results: no earlier run is then reused."""

PRETRAINING = "pretraining"
WeightsName = Literal["none", "imagenet", "demo"]


def content_hash(*parts: Any) -> str:
    """Hash plain values; the same values give the same 16 hexadecimal digits everywhere."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """A data set as a run refers to it: by content, not by place.

    Attributes:
        name: For people; a renamed folder is the same data.
        fingerprint: Hash of every file's part, class, name and bytes.
        image_size: Side in pixels of the images for models that were made for no size.
        num_classes: How many classes.
        num_images: How many images were decoded.
        seed: Of the division into train, val and test.
    """

    name: str
    fingerprint: str
    image_size: int
    num_classes: int
    num_images: int
    seed: int

    @property
    def content(self) -> dict[str, Any]:
        """All but the name."""
        return {key: value for key, value in asdict(self).items() if key != "name"}


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """One run, by names and values only: picklable, and the same everywhere.

    Attributes:
        system: What is trained or fitted.
        data: On which images.
        input: As what its network is shown them; a head carries its backbone's.
        train: How networks are trained; a head carries its backbone's.
        seed: Of initial weights, batches and trees.
        weights: What the network starts from; a head carries its backbone's.
        needs: Ids of runs whose results it takes: a head its backbone, a demo-pretrained network
            its pretraining, a network that has a teacher that, as the last.
        pretraining: Whether it only makes weights for other runs.
        shared: Hash of the settings that its table shares, where systems have recipes of their
            own or a teacher; empty where its own settings are those of all.
        weights_id: Which weights of that name: the id of the pretraining, or the SHA-256 of the
            user's file; empty where the name tells it. A head carries its backbone's.
        code_id: Hash of the code of the plugin that its model, or its head, is of; else empty.
    """

    system: System
    data: DataSpec
    train: TrainConfig
    seed: int
    input: InputSpec = STUDY_INPUT
    weights: WeightsName = "none"
    needs: tuple[str, ...] = ()
    pretraining: bool = False
    shared: str = ""
    weights_id: str = ""
    code_id: str = ""

    @cached_property
    def id(self) -> str:
        """Hash of its content, and through `needs` of all that it builds on."""
        return content_hash(SPEC_VERSION, {**self.settings, "data": self.data.content})

    @property
    def image_size(self) -> int:
        """Side of its network's images in pixels."""
        return self.input.size or self.data.image_size

    @property
    def settings(self) -> dict[str, Any]:
        """Its content as nested plain values."""
        return {
            "system": asdict(self.system),
            "data": asdict(self.data),
            "input": asdict(self.input),
            "train": self.train.model_dump(),
            "seed": self.seed,
            "weights": self.weights,
            "needs": list(self.needs),
            "pretraining": self.pretraining,
            "shared": self.shared,
            "weights_id": self.weights_id,
            "code_id": self.code_id,
        }

    @property
    def context(self) -> str:
        """Hash of what runs must share to stand in one table: data, split, training settings.

        Each network is shown the images as it was made for, so its input is not among it; nor is
        the seed, by which runs are repeats of each other.
        """
        settings = self.shared or self.train.model_dump()
        return content_hash(SPEC_VERSION, self.data.content, settings)

    @property
    def pretraining_id(self) -> str | None:
        """Id of the run that made the weights that its network starts from."""
        others = len(self.needs) - (self.teacher_id is not None)
        return self.needs[0] if self.weights == "demo" and others else None

    @property
    def teacher_id(self) -> str | None:
        """Id of the run whose predictions it learns from."""
        taught = self.train.teacher is not None and self.system.head is None
        return self.needs[-1] if taught else None

    @property
    def name(self) -> str:
        """Its name in the plan, the leaderboard and MLflow."""
        return f"{self.system.model}-pretrained" if self.pretraining else self.system.name

    @property
    def label(self) -> str:
        """Its name, with its seed unless that is 0, to tell it from its repeats."""
        return f"{self.name} (seed {self.seed})" if self.seed else self.name

    @property
    def heading(self) -> str:
        """What stands above its pictures: its label, and whether it is beyond the study."""
        return f"{self.label}, {BEYOND}" if self.group == BEYOND else self.label

    @property
    def title(self) -> str:
        """Its system's name for people; what learned from a teacher is told from what did not."""
        taught = self.train.teacher is not None
        return f"{self.system.title} (distilled)" if taught else self.system.title

    @property
    def group(self) -> str:
        """From scratch, experiment 1, experiment 2, or pretraining."""
        return PRETRAINING if self.pretraining else self.system.group


class Plan:
    """Runs by id, each after those that it needs: an id hashes the needs, so no cycle can be."""

    def __init__(self, specs: Iterable[RunSpec]) -> None:
        """Keep the runs in the order given.

        Args:
            specs: Closed and ordered: before every run come those that it needs.
        """
        self._specs: dict[str, RunSpec] = {}
        for spec in specs:
            assert all(need in self._specs for need in spec.needs), spec.name
            self._specs[spec.id] = spec

    def __iter__(self) -> Iterator[RunSpec]:
        return iter(self._specs.values())

    def __len__(self) -> int:
        return len(self._specs)

    def __getitem__(self, id_: str) -> RunSpec:
        return self._specs[id_]

    def needed_by(self, id_: str) -> frozenset[str]:
        """Ids of the runs that a run needs, directly or through others."""
        needs = self[id_].needs
        return frozenset(needs).union(*(self.needed_by(need) for need in needs))

    def dependants(self, id_: str) -> list[RunSpec]:
        """The runs that need a run directly."""
        return [spec for spec in self if id_ in spec.needs]
