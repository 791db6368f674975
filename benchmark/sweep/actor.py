"""Turns requests for the next step of trials into replies, in an actor on a machine of a cluster.

As in `benchmark.execution.remote`, nothing here imports MLflow before the driver's settings are in
the environment.
"""

from __future__ import annotations

import pickle
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from benchmark.execution.remote import Order, check_node, settled
from registry.errors import UserError

if TYPE_CHECKING:
    from benchmark.sweep.measuring import Measuring, Reply
    from benchmark.sweep.space import Params


class TrialActor:
    """Measures trials on whichever machine has room for it; an actor of Ray's."""

    def __init__(self, order: Order) -> None:
        """Take on the driver's settings.

        Args:
            order: Of an objective and its study's configuration, pickled.
        """
        self._stack = ExitStack()
        self._stack.enter_context(settled(order))
        self._order = order
        self._measuring: Measuring | None = None

    def answer(self, params: Params | None) -> Reply:
        """See `Measuring.answer`; what this machine lacks is told."""
        from benchmark.sweep.measuring import End

        if self._measuring is None:
            try:
                self._measuring = self._prepare()
            except UserError as error:
                return End(hindered=str(error))
        return self._measuring.answer(params)

    def _prepare(self) -> Measuring:
        import torch

        from benchmark.execution.node_images import bring_images
        from benchmark.sweep.measuring import Measuring

        objective, config = pickle.loads(self._order.work)
        options = objective.options
        check_node(self._order, options)
        torch.set_num_threads(options.threads)
        home = bring_images(objective.target.spec({}), config, options.home)
        return Measuring(replace(objective, options=replace(options, home=home)))

    def end(self) -> None:
        """Remove temporary files."""
        self._stack.close()
