"""What does not change a run's result: where it is stored, on which device, what is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch

from benchmark.processes.identity import ProcessName, this_process
from benchmark.study.plan import RunSpec
from benchmark.tracking.store import Store
from benchmark.training.epochs import EpochResult

Status = Literal["completed", "failed", "skipped", "unsent"]
CHECKPOINT_SECONDS = 30.0
Report = Callable[[RunSpec, EpochResult], None]


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How runs are made; picklable.

    Attributes:
        store: Where runs are tracked.
        home: Folder of the image stores.
        device: Name of the device, or ``auto``.
        preset: Name of the preset, for the record.
        studied: Whether the images are of the study's kind: its accuracies then stand beside.
        weights_folder: Where the user keeps pretrained weights.
        save_weights: Ids of the runs whose weights are kept.
        keep_best: Whether to keep, besides, those of runs whose row may be the best.
        save_embeddings: Ids of the runs whose embeddings are kept for heads.
        save_train_predictions: Ids of the runs that others learn from.
        explain: Whether to draw explanations.
        threads: Of the processor, for each run. Other numbers sum in another order, and may change
            the last digits of figures.
        driver: The process that wants the runs; those that make them for it may be others.
        timeout: Seconds that a run may take; None for any time.
        checkpoint_seconds: Of a network's training that an interruption may lose, besides the
            epoch that goes on.
    """

    store: Store
    home: Path
    device: str = "auto"
    preset: str = ""
    studied: bool = False
    weights_folder: Path | None = None
    save_weights: frozenset[str] = frozenset()
    keep_best: bool = False
    save_embeddings: frozenset[str] = frozenset()
    save_train_predictions: frozenset[str] = frozenset()
    explain: bool = True
    threads: int = field(default_factory=torch.get_num_threads)
    driver: ProcessName = field(default_factory=this_process)
    timeout: float | None = None
    checkpoint_seconds: float = CHECKPOINT_SECONDS


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run ended.

    Attributes:
        spec: The run.
        status: completed, failed, skipped, or unsent: complete, but not in the store yet.
        reason: Why it failed, was skipped or is unsent.
        run_id: MLflow's, of a completed run.
        test_accuracy: Of a run completed just now; None for pretraining.
        explain_seconds: How long its explanations took.
        reused: Whether it had been completed before.
        remark: What else went wrong in a completed run.
    """

    spec: RunSpec
    status: Status
    reason: str = ""
    run_id: str = ""
    test_accuracy: float | None = None
    explain_seconds: float = 0.0
    reused: bool = False
    remark: str = ""

    def __str__(self) -> str:
        scored = "" if self.test_accuracy is None else f", test accuracy {self.test_accuracy:.2%}"
        told = f": {self.reason}" if self.reason else " before" if self.reused else scored
        return f"{self.spec.label}: {self.status}{told}"
