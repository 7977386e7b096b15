"""One connection whose socket fails while several are written to: it ends alone."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from daphne.server import twisted_loop
from twisted.internet import reactor
from websockets.frames import Frame, Opcode

from securecall_site.tests.test_reading import ANSWER_SECONDS, HANDSHAKE, End
from serving.daphne_websocket import SignalingProtocol
from signaling.cluster import node
from signaling.consumers import SignalConsumer


class BrokenSocketError(Exception):
    """An error that no socket raises; a bug would."""


class BrokenTransport:
    """Twisted's transport of a connection that cannot be written to."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def writeSomeData(self, data: bytes) -> int:  # noqa: N802 -- Twisted's name
        raise BrokenSocketError(len(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Site(End):
    """Daphne with the consumer behind it."""

    def __init__(self) -> None:
        super().__init__(SignalingProtocol)

    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        await SignalConsumer.as_asgi()(scope, receive, send)

    @asynccontextmanager
    async def client(self, name: str) -> AsyncIterator["Client"]:
        """Connect and register."""
        ours, server = socket.socketpair()
        ours.setblocking(False)  # noqa: FBT003 -- the socket module's
        with ours:
            with server:
                transport = reactor.adoptStreamConnection(server.fileno(), socket.AF_UNIX, self.daphne.http_factory)
            client = Client(ours, transport)
            ours.send(HANDSHAKE)
            await client.hears("101 Switching Protocols")
            client.says("REGISTER", clientId=name)
            await client.hears('"REGISTERED"')
            yield client


class Client:
    """A client on a bare socket."""

    def __init__(self, own: socket.socket, transport: Any) -> None:
        self.socket = own
        self.transport = transport
        self.came = ""

    def says(self, message_type: str, **payload: str) -> None:
        self.socket.send(message(message_type, **payload))

    async def hears(self, words: str) -> None:
        """Read up to these words."""
        async with asyncio.timeout(ANSWER_SECONDS):
            while words not in self.came:
                data = await twisted_loop.sock_recv(self.socket, 1 << 16)
                assert data, f"no {words!r} in {self.came!r}"
                self.came += data.decode(errors="replace")
        self.came = self.came.partition(words)[2]

    async def is_cut_off(self) -> None:
        """Read to the end, which must come."""
        async with asyncio.timeout(ANSWER_SECONDS):
            while await twisted_loop.sock_recv(self.socket, 1 << 16):
                pass

    def breaks(self) -> None:
        """Have the server's end fail at every write."""
        protocol = self.transport.protocol
        protocol.transport = BrokenTransport(protocol.transport)


def message(message_type: str, **payload: str) -> bytes:
    text = json.dumps({"type": message_type, "payload": payload}).encode()
    return Frame(Opcode.TEXT, text).serialize(mask=True)


async def call_of(caller: Client, callee: Client, name: str) -> str:
    call_id = f"the-call-of-{name}-x"
    caller.says("CALL_INITIATE", targetId=name, sdpOffer="v=0", callId=call_id)
    await callee.hears("INCOMING_CALL")
    return call_id


async def one_of_three_breaks() -> None:
    site = Site()
    async with (
        site.client("dave") as dave,
        site.client("alice") as alice,
        site.client("bob") as bob,
        site.client("carol") as carol,
    ):
        calls = [await call_of(dave, one, name) for one, name in ((alice, "alice"), (bob, "bob"), (carol, "carol"))]
        bob.breaks()
        for word in ("at once", "and later"):
            # In one piece: the three are written to in one turn.
            dave.socket.send(b"".join(message("ICE_CANDIDATE", callId=call, candidate=word) for call in calls))
            for one in (alice, carol):
                await one.hears(f'"{word}"')
            dave.says("HEARTBEAT")
            await dave.hears("HEARTBEAT_ACK")
        await bob.is_cut_off()
        async with site.client("bob") as again:
            await again.hears('"and later"')
            dave.says("ICE_CANDIDATE", callId=calls[1], candidate="here again")
            await again.hears('"here again"')
    await node.stop()


def test_others_of_the_turn_are_written_then_and_later(caplog: pytest.LogCaptureFixture) -> None:
    twisted_loop.run_until_complete(one_of_three_breaks())
    (record,) = [record for record in caplog.records if "BrokenSocketError" in record.getMessage()]
    assert record.levelname == "WARNING"
    assert record.exc_info is not None
