"""An ASGI application that records what a server tells it; the path says how it behaves."""

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

Event = dict[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]

RECORDS = Path(os.environ.get("RECORDS", os.devnull))
# Exists once a test lets requests to /held and connections to /held finish.
RELEASE = RECORDS.with_name("release")


class BrokenError(Exception):
    """A bug in the application."""


def record(**fields: Any) -> None:
    """Append one line."""
    with RECORDS.open("a") as file:
        file.write(json.dumps(fields) + "\n")


async def released() -> None:
    """Wait until the test says so."""
    while not RELEASE.exists():
        await asyncio.sleep(0.01)


async def application(scope: Event, receive: Receive, send: Send) -> None:
    """Answer HTTP requests and record WebSocket connections."""
    if scope["type"] == "lifespan":
        await live(receive, send)
    elif scope["type"] == "http":
        await answer(scope["path"], send)
    elif scope["type"] == "websocket":
        try:
            await connection(scope["path"], receive, send)
        finally:
            # Cleaning up takes a moment and must not be cut off.
            await asyncio.sleep(0.05)
            record(event="cleaned", path=scope["path"])


async def live(receive: Receive, send: Send) -> None:
    """Record the start and the stop."""
    while True:
        kind = (await receive())["type"]
        record(event=kind, path="")
        await send({"type": f"{kind}.complete"})


async def answer(path: str, send: Send) -> None:
    """Respond like the health check; /held waits for the test, /half breaks in the middle of its answer."""
    if path == "/held":
        record(event="request", path=path)
        await released()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    if path == "/half":
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise BrokenError(path)
    body = b"x" * 50_000_000 if path == "/held" else b'{"status":"ok"}'
    await send({"type": "http.response.body", "body": body})


async def connection(path: str, receive: Receive, send: Send) -> None:
    """Accept, echo and record until the peer is gone."""
    record(event="connect", path=path)
    await receive()
    if path == "/early":
        raise BrokenError(path)
    if path != "/unanswered":
        await send({"type": "websocket.accept"})
    if path == "/blocked":
        await asyncio.to_thread(time.sleep, 3600)
    while True:
        event = await receive()
        kind = event["type"].removeprefix("websocket.")
        if kind == "receive":
            record(event=kind, path=path, size=len(event.get("text") or event.get("bytes") or ""))
            await react(path, event, send)
        else:
            record(event=kind, path=path, code=event.get("code"))
        if kind == "disconnect":
            break
    if path == "/held":
        await released()
    if path == "/stuck":
        await asyncio.Event().wait()


async def react(path: str, event: Event, send: Send) -> None:
    """Echo a message, or do what the path says."""
    text = event.get("text") or ""
    if path == "/broken":
        raise BrokenError(path)
    if path == "/slow":
        await released()
    if text == "close":
        await send({"type": "websocket.close", "code": 4409, "reason": "superseded"})
    if text == "flood":
        for _ in range(100):
            await send({"type": "websocket.send", "text": "x" * 200_000})
        await send({"type": "websocket.close", "code": 4507, "reason": "slow consumer"})
    await send({"type": "websocket.send", "text": text})
