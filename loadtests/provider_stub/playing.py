"""Sends a decided reply over ASGI, on time, and notices a client that goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from loadtests.provider_stub.calls import End, Sending

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

HANG_UP = "stub.hang_up"
"""The extension of the ASGI scope that closes the connection: HTTP servers have none."""


async def body_of(receive: Receive) -> bytes | None:
    """The whole body, or None where the client has gone before its end."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return None if message["type"] == "http.disconnect" else body


async def play(sending: Sending, scope: Scope, receive: Receive, send: Send) -> bool:
    """Send all of it. False if the client went before it was through."""
    if sending.end is End.STALL:
        await _gone(receive)
        return False
    clock = asyncio.get_running_loop().time
    began, last = clock(), len(sending.pieces) - 1
    for place, (due_s, piece) in enumerate(sending.pieces):
        if due_s and await _gone_within(began + due_s - clock(), receive):
            return False
        if not place:
            await send({"type": "http.response.start", "status": sending.status, "headers": sending.headers})
        more = place < last or sending.end is End.HANG_UP
        await send({"type": "http.response.body", "body": piece, "more_body": more})
    if sending.end is End.HANG_UP:
        scope["extensions"][HANG_UP]()
        await _gone(receive)
    return True


async def _gone_within(delay_s: float, receive: Receive) -> bool:
    if delay_s <= 0:
        return False
    try:
        async with asyncio.timeout(delay_s):
            await _gone(receive)
    except TimeoutError:
        return False
    return True


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
