"""Turns names on the command line into how a study is searched, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, GPSampler, QMCSampler, RandomSampler, TPESampler

from benchmark.sweep.objective import Target
from benchmark.sweep.space import Space

SamplerName = Literal["tpe", "random", "qmc", "gp", "grid"]
PrunerName = Literal["median", "hyperband", "none"]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How a study is searched, and for how long.

    Attributes:
        sampler: Name of Optuna's sampler; ``grid`` tries the points of the space and no others.
        pruner: Name of Optuna's pruner.
        trials: How many in all, those of earlier processes included; None for no limit.
        timeout: Seconds for this process; None for no limit.
        seed: Of the sampler.
    """

    sampler: SamplerName = "tpe"
    pruner: PrunerName = "median"
    trials: int | None = None
    timeout: float | None = None
    seed: int = 0


def make_sampler(name: SamplerName, seed: int, number: int) -> BaseSampler:
    """Make the sampler of one trial.

    It draws from a seed of the trial's number: neither a resumed process nor one beside it repeats
    what another drew, and a study that was stopped between two trials goes on as if it had not
    been. Only ``qmc`` needs one seed for its sequence, which it continues by itself.
    """
    if name == "qmc":
        return QMCSampler(seed=seed, warn_independent_sampling=False)
    kinds: dict[str, Callable[..., BaseSampler]] = {"random": RandomSampler, "gp": GPSampler}
    return kinds.get(name, TPESampler)(seed=seed + number)


def make_pruner(name: PrunerName, target: Target, space: Space) -> BasePruner:
    """Make a pruner whose steps are the target's: trees, rounds or epochs.

    Left to itself, Hyperband takes the first complete trial's size for that of all.
    """
    if name == "median":
        return MedianPruner(n_startup_trials=5, n_warmup_steps=target.warmup)
    if name == "hyperband":
        largest = target.last_step or space.largest or "auto"
        return HyperbandPruner(min_resource=target.warmup, max_resource=largest)
    return NopPruner()
