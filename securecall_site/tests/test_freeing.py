"""A closed connection is freed at once, without the garbage collector, whose full rounds may be hours apart."""

import asyncio
import contextlib
import gc
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from daphne.server import twisted_loop
from twisted.internet import reactor
from twisted.web.http import HTTPChannel
from websockets.frames import Frame, Opcode

from securecall_site.tests.test_reading import ANSWER_SECONDS, HANDSHAKE, End
from serving.daphne_websocket import SignalingProtocol
from serving.http_request import BoundedRequest, bind_requests
from serving.send_queue import SendQueue
from serving.transport import EventQueue, PlainTransport
from signaling.cluster import node
from signaling.connections.connection import Connection
from signaling.consumers import SignalConsumer

FREED = (
    SignalConsumer,
    Connection,
    SendQueue,
    EventQueue,
    PlainTransport,
    SignalingProtocol,
    HTTPChannel,
    BoundedRequest,
)
REGISTER = Frame(Opcode.TEXT, b'{"type":"REGISTER","payload":{"clientId":"alice"}}').serialize(mask=True)
CLOSE = Frame(Opcode.CLOSE, (1000).to_bytes(2, "big")).serialize(mask=True)
NONSENSE = b"\xff\xff"


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.collect()
    # What other tests left behind is not looked at.
    gc.freeze()
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


async def hears(client: socket.socket, word: bytes) -> None:
    told = b""
    while word not in told:
        part = await asyncio.get_running_loop().sock_recv(client, 1 << 16)
        assert part, told
        told += part


def left() -> list[str]:
    """Name what is left of connections."""
    return [type(one).__name__ for one in gc.get_objects() if isinstance(one, FREED)]


async def until_freed() -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ANSWER_SECONDS):
            while left():
                await asyncio.sleep(0)
    assert left() == []


class Daphne(End):
    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        await SignalConsumer.as_asgi()(scope, receive, send)


async def on_daphne(last_words: bytes) -> None:
    factory = Daphne(SignalingProtocol).daphne.http_factory
    bind_requests(factory)
    client, server = socket.socketpair()
    client.setblocking(False)  # noqa: FBT003 -- the socket module's
    with server:
        reactor.adoptStreamConnection(server.fileno(), socket.AF_UNIX, factory)
    with client:
        client.send(HANDSHAKE)
        await hears(client, b"101 Switching Protocols")
        client.send(REGISTER)
        await hears(client, b"REGISTERED")
        client.send(last_words)
    await until_freed()
    await node.stop()


async def on_plain_asgi(last_words: bytes) -> None:
    """What is left of a server's connection is its own."""
    events: asyncio.Queue[Any] = asyncio.Queue()
    sent: asyncio.Queue[Any] = asyncio.Queue()
    scope = {"type": "websocket", "path": "/signal", "headers": [], "client": ("203.0.113.9", 50_000)}
    application: Any = SignalConsumer.as_asgi()
    serving = asyncio.create_task(application(scope, events.get, sent.put))
    for event in (
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "text": '{"type":"REGISTER","payload":{"clientId":"alice"}}'},
    ):
        events.put_nowait(event)
        await sent.get()
    events.put_nowait({"type": "websocket.disconnect", "code": 1000 if last_words else 1006})
    await serving
    await until_freed()
    await node.stop()


@pytest.mark.parametrize("last_words", [CLOSE, NONSENSE, b""], ids=["goodbye", "violation", "drop"])
def test_closed_connection_is_freed_at_once(last_words: bytes) -> None:
    twisted_loop.run_until_complete(on_daphne(last_words))
    asyncio.run(on_plain_asgi(last_words))
