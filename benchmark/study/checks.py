"""Turns systems and a configuration into what keeps some of them from being run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from benchmark.study.config import Config
from benchmark.study.inputs import image_size_of
from benchmark.study.plan import Plan
from benchmark.study.suite import System
from registry import ModelSpec, PluginError, UserError, heads, models
from registry.printable import listed
from registry.sizes import check_size

logger = logging.getLogger(__name__)


def check_definitions(
    systems: Iterable[System],
    config: Config,
    check_size: Callable[[ModelSpec, int], None] = check_size,
) -> dict[str, PluginError | UserError]:
    """See that each model takes the size of its images, and that each head can be made.

    Args:
        systems: To be checked.
        config: Says the sizes.
        check_size: Raises an error if a model does not take a size.

    Returns:
        By a system's name, why it cannot be run; those that can be are not in it.
    """
    systems = list(systems)
    of_models = {
        name: _problem(check_size, models[name], image_size_of(name, config))
        for name in dict.fromkeys(system.model for system in systems)
    }
    broken: dict[str, PluginError | UserError] = {}
    for system in systems:
        found = of_models[system.model]
        if found is None and system.head is not None:
            found = _problem(heads[system.head].make, seed=0, jobs=1, **dict(system.params))
        if found is not None:
            broken[system.name] = found
    return broken


def _problem(
    check: Callable[..., object], *args: Any, **params: Any
) -> PluginError | UserError | None:
    try:
        check(*args, **params)
    except (PluginError, UserError) as error:
        return error
    return None


def warn_of_frozen_to_the_end(plan: Plan) -> None:
    """Warn of staged networks whose backbones are never trained, which is no fine-tuning."""
    names: dict[tuple[int, int], dict[str, None]] = {}
    for spec in plan:
        numbers = spec.train.freeze_epochs, spec.train.epochs
        if (
            spec.system.schedule == "staged"
            and spec.system.head is None
            and numbers[0] >= numbers[1]
        ):
            names.setdefault(numbers, {})[spec.name] = None
    for (frozen, epochs), found in names.items():
        logger.warning(
            "%s: frozen for %d of at most %d epochs, so that no backbone is fine-tuned; type: "
            "--set train.freeze_epochs=%d",
            *(listed([*found]), frozen, epochs, epochs // 2),
        )


def check_growing_images(plan: Plan) -> None:
    """See that networks whose images grow take all sizes on the way.

    Raises:
        UserError: One does not.
    """
    import torch

    for spec in plan:
        full = spec.image_size
        sides = sorted({spec.train.side(full, step / full) for step in range(full)} - {full})
        if not sides or spec.system.head or spec.system.schedule == "frozen":
            continue
        with torch.device("meta"):
            try:
                backbone: Any = models[spec.system.model].make(full).eval()
                for side in sides:
                    backbone.forward_head(backbone.forward_features(torch.empty(1, 3, side, side)))
            except PluginError:  # which is told already
                continue
            except (RuntimeError, AssertionError) as error:
                raise UserError(
                    f"{spec.name} takes images of {full} pixels, but not of {side}: they cannot "
                    f"grow; leave out train.start_size={spec.train.start_size:g}"
                ) from error
