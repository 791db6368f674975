"""Turns an address into a connection to its Ray cluster, or none into a cluster of this machine."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from benchmark.processes.leftovers import short_folder
from benchmark.processes.signals import withheld_from_children
from registry.errors import UserError, one_line

OBJECT_STORE_BYTES = 80 * 2**20
"""Nearly the least that Ray takes: outcomes are small, and all else goes through MLflow."""
_QUIET = {
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # else each worker is started by uv run again
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",  # what its daemons print: the outcomes tell what matters
    "RAY_worker_niceness": "0",  # what a run takes is measured
    # Workers are started for runs, each with the environment of its own: none waits in store.
    "RAY_enable_worker_prestart": "0",
    "RAY_prestart_worker_first_driver": "0",
}
_LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Which, set to 0, has Ray listen on the loopback address alone, on any system."""
_ROUNDING = 1e-6
"""Of a share of a GPU: ten of a tenth make a whole."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Node:
    """A machine of a cluster, with what Ray may use of it."""

    host: str
    cpus: int
    gpus: float
    memory: int

    def room(self, cpus: int, gpus: float) -> int:
        """How many processes it holds that take so much of it each; GPUs, if any, are the bound."""
        return int(self.gpus / gpus + _ROUNDING) if gpus else self.cpus // cpus


@contextmanager
def connected(address: str | None) -> Iterator[list[Node]]:
    """Connect to a cluster, or start one here, for a ``with`` block.

    Args:
        address: HOST:PORT of a cluster that this machine has joined; None for a cluster of this
            machine alone, which nobody else can use, and which ends with the block.

    Yields:
        The nodes that may make runs.

    Raises:
        UserError: Ray is not installed, or there is no such cluster.
    """
    if address is None:
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        os.environ["RAY_AUTH_MODE"] = "token"
    ray = import_ray(loopback=address is None or _is_loopback(address))
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    with ExitStack() as stack:
        if address is None:
            options |= {
                "address": "local",
                "include_dashboard": False,
                "object_store_memory": OBJECT_STORE_BYTES,
                "_temp_dir": str(stack.enter_context(short_folder())),
            }
        else:
            options["address"] = address
        if not ray.is_initialized():  # else it is not ours
            stack.callback(ray.shutdown)  # also of what began to start
        try:
            with _handler_kept(), withheld_from_children():
                ray.init(**options)
        except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            if address is None:
                raise UserError(
                    f"Ray does not start on this machine ({one_line(error)}); "
                    "--executor local makes the same runs without it"
                ) from error
            raise UserError(
                f"there is no Ray cluster at {address} that lets you in ({one_line(error)}); "
                "start it, and let this machine join it: "
                "ray start --address HOST:PORT, with the same RAY_AUTH_TOKEN"
            ) from error
        yield live_nodes()


def import_ray(*, loopback: bool) -> Any:
    """Import Ray, which reads its settings out of the environment as it is imported.

    Args:
        loopback: Whether what is started listens to this machine alone.

    Raises:
        UserError: It is not installed.
    """
    os.environ.update(_QUIET)
    if loopback:
        os.environ[_LOOPBACK] = "0"
    try:
        import ray
    except ImportError as error:
        raise UserError(
            "--executor ray needs the ray extra; type: uv sync --inexact --extra ray"
        ) from error
    # The token of an earlier cluster of this process, which Ray keeps, opens no other.
    core: Any = ray._raylet
    core.AuthenticationTokenLoader.instance().reset_cache()
    return ray


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0]
    return host in ("localhost", "127.0.0.1", "[::1]")


@contextmanager
def _handler_kept() -> Iterator[None]:
    """Keep the block from setting handlers of signals: Ray's would end this process at once."""
    if threading.current_thread() is not threading.main_thread():  # where none can be set
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def live_nodes() -> list[Node]:
    """The nodes that may make runs, of the cluster to which this process is connected."""
    import ray

    found: Any = ray.nodes
    nodes = []
    for node in found():
        resources = node["Resources"]
        if node["Alive"] and resources.get("CPU"):
            nodes.append(
                Node(
                    host=node["NodeManagerHostname"],
                    cpus=int(resources["CPU"]),
                    gpus=resources.get("GPU", 0.0),
                    memory=int(resources["memory"]),
                )
            )
    return nodes


def elsewhere(nodes: list[Node]) -> list[str]:
    """Names of the nodes that are other machines than this one."""
    return sorted({node.host for node in nodes} - {socket.gethostname()})
