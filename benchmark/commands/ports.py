"""Turns ``--port`` into a port of this machine that no other program listens at."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import click

from registry.errors import UserError

HOST = "127.0.0.1"


def port_option(default: int) -> Callable[..., Any]:
    """The option ``--port``."""
    return click.option(
        "--port",
        default=default,
        show_default=True,
        type=click.IntRange(1, 65535),
        help=f"On {HOST}.",
    )


def listen(port: int, command: str) -> socket.socket:
    """Take a port, before what is loaded for it, which takes seconds.

    Args:
        port: Its number.
        command: Which asks for it.

    Raises:
        UserError: Another program listens there, or it may not be taken.
    """
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((HOST, port))
    except PermissionError as error:
        taken.close()
        raise UserError(
            f"port {port} is not for all users; name another: bench {command} … --port 8080"
        ) from error
    except OSError as error:
        taken.close()
        raise UserError(
            f"port {port} is in use; name another: bench {command} … --port {port % 65535 + 1}"
        ) from error
    taken.listen()  # who connects while the rest is loaded waits
    return taken
