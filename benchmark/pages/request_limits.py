"""Turns requests that are too large, too slow or for another host into answers that say so."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from fastapi import HTTPException
from fastapi.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_UPLOAD = 25_000_000
"""Bytes of a request: telephones' pictures have 2 to 15 million."""
MAX_PIXELS = 50_000_000
"""Of a picture: decoded, it takes up to eight bytes for each."""
_DRAINED = 20 * MAX_UPLOAD
"""So many bytes of a request that is too large are read, and forgotten, before it is told so."""
PATIENCE_SECONDS = 20.0
"""So long a part of a request may be on its way."""
HOSTS = ("127.0.0.1", "localhost", "[::1]")
_TOO_LARGE = f"a request has at most {MAX_UPLOAD / 1e6:.0f} MB; send a smaller picture"


async def _drain(receive: Receive) -> None:
    """Read what is on its way: a client that is still sending would see no answer but a reset."""
    left = _DRAINED
    with suppress(TimeoutError):
        while left > 0:
            message = await asyncio.wait_for(receive(), PATIENCE_SECONDS)
            left -= len(message.get("body", b""))
            if not message.get("more_body"):
                return


class RequestLimits:
    """ASGI middleware that reads no more than `MAX_UPLOAD`, and asks that the host be this one.

    A page of the web may send a browser here under a name of its own (DNS rebinding).
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        if host.rpartition(":")[0] not in HOSTS and host not in HOSTS:
            told = f"this server answers to {HOSTS[0]} and {HOSTS[1]} alone"
            await JSONResponse({"error": told}, 421)(scope, receive, send)
            return
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > MAX_UPLOAD:
            if b"expect" not in headers:  # such a client sends nothing before it is asked to
                await _drain(receive)
            answer = JSONResponse({"error": _TOO_LARGE}, 413, {"Connection": "close"})
            await answer(scope, receive, send)
            return
        read = 0

        async def limited() -> Message:
            nonlocal read
            try:
                message = await asyncio.wait_for(receive(), PATIENCE_SECONDS)
            except TimeoutError as error:
                raise HTTPException(408, "the request did not arrive in time; repeat it") from error
            read += len(message.get("body", b""))
            if read > MAX_UPLOAD:
                await _drain(receive)
                raise HTTPException(413, _TOO_LARGE, {"Connection": "close"})
            return message

        await self._app(scope, limited, send)
