"""Turns a training that goes on into a file from which another process goes on after its death."""

from __future__ import annotations

import logging
import pickle
import random
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from benchmark.processes.leftovers import remove, unfinished

CHECKPOINTS: Literal["checkpoints"] = "checkpoints"
"""The folder of a home that they are in."""
ABANDONED_DAYS = 14
"""After so many nobody goes on with a training: of a large network it holds gigabytes."""
LEAST_SHARE = 20
"""Training lasts so many times as long as what is written of it, at least; see `Checkpoint`."""
_DAMAGED = (OSError, RuntimeError, pickle.UnpicklingError, EOFError, KeyError, ValueError)
logger = logging.getLogger(__name__)


class Checkpoint:
    """The last kept state of one training, in a file that is whole at all times."""

    def __init__(self, file: Path, seconds: float) -> None:
        """Begin to count.

        Args:
            file: Where; it need not exist.
            seconds: Of training that may be lost, besides the epoch that goes on, and more if the
                writing takes long; 0 for none, whatever it takes.
        """
        self._file = file
        self._seconds = seconds
        self._kept = time.monotonic()

    @property
    def is_due(self) -> bool:
        """Whether so much was trained that it is worth keeping."""
        return time.monotonic() - self._kept >= self._seconds

    def keep(self, state: dict[str, Any]) -> None:
        """Write a state of tensors and plain values, in place of the last one."""
        start = time.monotonic()
        try:
            with unfinished(self._file, replaces=True) as path, path.open("wb") as file:
                torch.save(state, file)  # which, given a path, would not tell that the disk is full
        except (OSError, RuntimeError) as error:
            cause = error if isinstance(error, OSError) else error.__context__
            if not isinstance(cause, OSError):  # that of torch's writer, which fails once more
                raise
            told = cause.strerror or cause
            logger.warning("%s cannot be written (%s): training goes on without", self._file, told)
            self._seconds = float("inf")
        self._kept = time.monotonic()
        if self._seconds:
            self._seconds = max(self._seconds, LEAST_SHARE * (self._kept - start))

    def read(self) -> dict[str, Any] | None:
        """Read the last state, on the processor; None if there is none that can be used."""
        if not self._file.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(self._file, map_location="cpu", weights_only=True)
        except _DAMAGED as error:
            logger.warning("%s is damaged (%s): training begins anew", self._file, error)
            return None
        return state

    def remove(self) -> None:
        """Remove the file: it is not needed any more."""
        remove(self._file)


def remove_abandoned(home: Path) -> None:
    """Remove the files of trainings that have not gone on for `ABANDONED_DAYS`."""
    last = time.time() - ABANDONED_DAYS * 24 * 60 * 60
    for file in (home / CHECKPOINTS).glob("*.pt"):
        with suppress(FileNotFoundError):  # another process has just removed it
            if file.stat().st_mtime < last:
                remove(file)


def random_state() -> dict[str, Any]:
    """The state of all generators of random numbers that training may draw from."""
    kind, keys, *rest = np.random.get_state(legacy=True)
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [str(kind), np.asarray(keys).tolist(), *rest],
        "python": random.getstate(),
    }


def restore_random(state: dict[str, Any]) -> None:
    """Go on with the random numbers that follow a state."""
    torch.set_rng_state(state["torch"])
    # There may be fewer GPUs by now; a training draws on the first that it sees.
    for gpu, own in enumerate(state["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(own, gpu)
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), *rest))
    random.setstate(state["python"])
