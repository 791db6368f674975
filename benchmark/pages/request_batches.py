"""Turns pictures of concurrent requests into batches of one network, and these into answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
_Waiting = tuple[NDArray[np.uint8], "asyncio.Future[NDArray[np.float32]]"]


class Busy(Exception):
    """So many pictures wait that another one would wait too long."""


class RequestBatches:
    """One thread that runs a network: while it computes, what comes in becomes the next batch."""

    def __init__(
        self, classify: Callable[[NDArray[np.uint8]], NDArray[np.float32]], size: int, waiting: int
    ) -> None:
        """Prepare the thread; `running` starts it.

        Args:
            classify: Pixels (N, S, S, 3) -> probabilities (N, C).
            size: Of the largest batch.
            waiting: So many pictures may wait.
        """
        self._classify = classify
        self._size = size
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(waiting)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="network")
        self._others = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Answer during the ``with`` block."""
        work = asyncio.create_task(self._work())
        try:
            yield
        finally:
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def classify(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Classify a picture (S, S, 3) among those of other requests.

        Returns:
            (C,).

        Raises:
            Busy: Too many wait.
        """
        answer: asyncio.Future[NDArray[np.float32]] = asyncio.get_running_loop().create_future()
        try:
            self._queue.put_nowait((pixels, answer))
        except asyncio.QueueFull as error:
            raise Busy from error
        return await answer

    async def alone(self, function: Callable[[], T]) -> T:
        """Call a function that uses the network, between two batches.

        Raises:
            Busy: Too many such calls wait.
        """
        if self._others >= self._size:
            raise Busy
        self._others += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, function)
        finally:
            self._others -= 1

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = [await self._queue.get()]
            while len(batch) < self._size and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            # Who has hung up needs no answer.
            batch = [(pixels, answer) for pixels, answer in batch if not answer.done()]
            if not batch:
                continue
            stacked = np.stack([pixels for pixels, _ in batch])
            try:
                rows = await loop.run_in_executor(self._thread, self._classify, stacked)
            except Exception as error:  # whoever asked is told, and the next ones are answered
                for _, answer in batch:
                    if not answer.done():
                        answer.set_exception(error)
            else:
                for (_, answer), row in zip(batch, rows, strict=True):
                    if not answer.done():
                        answer.set_result(row)
