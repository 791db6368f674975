"""Turns requests for the next step of trials into replies, in an actor on a machine of a cluster.

As in `benchmark.execution.remote`, nothing here imports MLflow before the driver's settings are in
the environment.
"""

from __future__ import annotations

import pickle
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmark.execution.remote import Order, options_here, settled

if TYPE_CHECKING:
    from benchmark.sweep.measuring import Reply
    from benchmark.sweep.objective import Measurement
    from benchmark.sweep.space import Params


class TrialActor:
    """Measures trials on whichever machine has room for it; an actor of Ray's."""

    def __init__(self, order: Order, queue: Any) -> None:
        """Take on the driver's settings.

        Args:
            order: Of an objective and its study's configuration, pickled.
            queue: Ray's, which takes what is logged here.
        """
        self._stack = ExitStack()
        self._stack.enter_context(settled(order, queue))
        from benchmark.sweep.measuring import Measuring

        self._measuring = Measuring(lambda: _prepare(order))

    def answer(self, params: Params | None) -> Reply:
        """See `Measuring.answer`; what this machine lacks is told."""
        return self._measuring.answer(params)

    def end(self) -> None:
        """Remove temporary files."""
        self._stack.close()


def _prepare(order: Order) -> Measurement:
    import torch

    objective, config = pickle.loads(order.work)
    torch.set_num_threads(objective.options.threads)
    options = options_here(order, objective.target.base, objective.options, config)
    measurement: Measurement = replace(objective, options=options).prepare()
    return measurement
