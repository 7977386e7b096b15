"""Our reading of frames held against plain daphne's: the same bytes are the same to an application."""

import asyncio
import contextlib
import os
import socket
from functools import partial
from random import Random
from typing import Any
from unittest import mock

import hypothesis
import pytest
from autobahn.exception import Disconnected
from daphne.http_protocol import HTTPFactory
from daphne.server import Server, twisted_loop
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from hypothesis import Phase, given
from hypothesis import strategies as st
from twisted.internet import reactor
from websockets.frames import Frame, Opcode

from serving import daphne_websocket
from serving.daphne_server import GracefulServer
from serving.daphne_websocket import CLOSE_HANDSHAKE_SECONDS, SignalingProtocol
from serving.send_queue import SendQueue
from serving.transport import NO_CODE_RECEIVED, transport_of
from tools.fuzz import frames
from tools.fuzz.messages import Messages

Event = dict[str, Any]

HANDSHAKE = b"\r\n".join(
    [
        b"GET /signal HTTP/1.1",
        b"Host: localhost",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        b"Sec-WebSocket-Version: 13",
        b"\r\n",
    ]
)
MESSAGE = Frame(Opcode.TEXT, b"hello").serialize(mask=True)
PING = Frame(Opcode.PING, b"").serialize(mask=True)
PONG = Frame(Opcode.PONG, b"").serialize(mask=False)
GOING_AWAY = 1001
CLOSING = Frame(Opcode.CLOSE, GOING_AWAY.to_bytes(2, "big")).serialize(mask=True)
FEW = 16
ANSWER_SECONDS = 3
VIOLATIONS = {1002, 1007, 1009}  # RFC 6455, section 7.4.1
EXAMPLES = int(os.environ.get("READING_EXAMPLES", "0"))


class End:
    """A server's end of one connection, and what the application behind it was told."""

    def __init__(self, protocol: type[WebSocketProtocol]) -> None:
        self.events: list[Event] = []
        # The most events that one read left for the application, and how often others had their turn meanwhile.
        self.waiting = self.turns = 0
        # The application closes after so many messages.
        self.closes_after = 0
        # Whether the client's close frame was seen.
        self.is_clean = False
        self.is_ours = issubclass(protocol, SignalingProtocol)
        server = partial(GracefulServer, drain_seconds=1, on_refused=pytest.fail) if self.is_ours else Server
        self.daphne = server(application=self.application, endpoints=["tcp:0"])
        self.daphne.connections = {}
        self.daphne.http_factory = HTTPFactory(self.daphne)
        self.daphne.ws_factory = WebSocketFactory(self.daphne, server="daphne")
        self.daphne.ws_factory.setProtocolOptions(
            maxMessagePayloadSize=frames.CAP_BYTES,
            maxFramePayloadSize=frames.CAP_BYTES,
            failByDrop=False,
            closeHandshakeTimeout=CLOSE_HANDSHAKE_SECONDS,
        )
        if self.is_ours:
            protocol.settle(self.daphne.ws_factory)

    async def application(self, scope: Event, receive: Any, send: Any) -> None:
        """Accept, note what comes, and answer it, so that writing is compared as well."""
        assert (await receive())["type"] == f"{scope['type']}.connect"
        transport = transport_of(scope, receive, send)
        outbound = SendQueue(transport, 0, lambda close: pytest.fail(str(close))) if self.is_ours else None
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] != "websocket.disconnect":
            if event["type"] == "websocket.ping":
                # Daphne has no event for it.
                continue
            self.events.append(event)
            if len(self.events) == self.closes_after:
                await send({"type": "websocket.close", "code": GOING_AWAY})
                continue
            answer = f"{len(self.events)}: {event.get('text')}"
            if outbound:
                outbound.write(answer)
            else:
                # Autobahn raises for who is just being closed.
                with contextlib.suppress(Disconnected):
                    await send({"type": "websocket.send", "text": answer})
        self.events.append(event)

    async def reads(self, pieces: list[bytes]) -> tuple[list[Event], bytes]:
        """Read the pieces one by one; returns what the application was told, and what the client was sent."""
        client, server = socket.socketpair()
        for end in (client, server):
            end.setblocking(False)  # noqa: FBT003 -- the socket module's
        with client, server:
            transport = reactor.adoptStreamConnection(server.fileno(), socket.AF_UNIX, self.daphne.http_factory)

            came = asyncio.ensure_future(everything_from(client))
            transport.protocol.dataReceived(HANDSHAKE)
            protocol = transport.protocol
            application = self.daphne.connections[protocol]["application_instance"]
            for piece in pieces:
                await turns(3)
                if not transport.connected:
                    break
                protocol.dataReceived(piece)
                self.waiting = max(self.waiting, protocol.application_queue.qsize())
                while transport.connected and transport not in readers():
                    await turns(1)
                    self.turns += 1
            await turns(5)
            self.is_clean = bool(protocol.wasClean)
            transport.loseConnection()
            await asyncio.wait_for(application, ANSWER_SECONDS)
            server.close()
            written = await asyncio.wait_for(came, ANSWER_SECONDS)
        # Daphne's code of a close frame without one is None.
        self.events[-1]["code"] = self.events[-1]["code"] or NO_CODE_RECEIVED
        if protocol.closedByMe:
            # Ours tells the code that it closed with, and daphne's what the peer says to that.
            self.events[-1].pop("code")
        return self.events, written


def readers() -> Any:
    """Whom the reactor reads."""
    looking: Any = reactor
    return looking.getReaders()


async def turns(count: int) -> None:
    """Let the application see what came."""
    for _ in range(count):
        await asyncio.sleep(0)


async def everything_from(client: socket.socket) -> bytes:
    """Read until the server is gone."""
    parts: list[bytes] = []
    while not parts or parts[-1]:
        try:
            parts.append(await twisted_loop.sock_recv(client, 1 << 20))
        except ConnectionResetError:
            break
    return b"".join(parts)


def pieces_of(dice: Random) -> list[bytes]:
    """Make what a client sends: mostly frames as they should be, some that should not, cut anywhere."""
    messages = Messages(dice, "alice", "bob", ("call-of-this-test",))
    data = b""
    for _ in range(dice.randint(1, 6)):
        kind = dice.choice(("text", "text", "text", "binary", "control", "violation", "closing", "damaged"))
        if kind == "text":
            data += frames.message(dice, messages.text())
        elif kind == "binary":
            data += frames.message(dice, dice.randbytes(dice.choice((0, 3, 200))), frames.BINARY)
        elif kind == "control":
            data += frames.control(dice)
        elif kind == "violation":
            data += frames.violation(dice).data
        elif kind == "closing":
            data += frames.closing(dice).data
        else:
            whole = bytearray(frames.message(dice, messages.text()))
            whole[dice.randrange(min(len(whole), 20))] ^= 1 << dice.randrange(8)
            data += whole
    return list(frames.chunks(dice, data))


def outcome(protocol: type[WebSocketProtocol], pieces: list[bytes]) -> tuple[list[Event], bytes]:
    read: tuple[list[Event], bytes] = twisted_loop.run_until_complete(End(protocol).reads(pieces))
    return read


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([b"\x82" + bytes((0x80 + len(MESSAGE),)) + bytes(4), MESSAGE], id="inside another frame"),
        pytest.param([Frame(Opcode.TEXT, b"one", fin=False).serialize(mask=True), MESSAGE], id="between fragments"),
    ],
)
def test_what_looks_like_a_frame_is_none(pieces: list[bytes]) -> None:
    (ours, _), (daphnes, _) = outcome(SignalingProtocol, pieces), outcome(WebSocketProtocol, pieces)
    assert ours == daphnes


def turns_of(frames_a_turn: int) -> Any:
    """Read so many frames of one client before it is the others' turn."""
    return mock.patch.object(daphne_websocket, "FRAMES_A_TURN", frames_a_turn)


ALL_AT_ONCE, ONE = 1000, 1


@pytest.mark.parametrize("frame", [pytest.param(MESSAGE, id="messages"), pytest.param(PING, id="pings")])
def test_flood_is_read_in_turns(frame: bytes) -> None:
    """Others are read in between, and nothing of it is lost."""
    end = End(SignalingProtocol)
    events, told = twisted_loop.run_until_complete(end.reads([frame * 1000, CLOSING]))
    assert end.turns >= 60
    assert end.waiting <= FEW
    assert events[-1]["code"] == GOING_AWAY
    assert len(events) - 1 + told.count(PONG) == 1000


def test_flood_after_our_close_is_dropped() -> None:
    """And the client's close frame behind it ends the connection."""
    end = End(SignalingProtocol)
    end.closes_after = 1
    events, _ = twisted_loop.run_until_complete(end.reads([MESSAGE, MESSAGE * 1000 + CLOSING]))
    assert [event["type"] for event in events] == ["websocket.receive", "websocket.disconnect"]
    assert end.is_clean


# A smaller seed is not a smaller case.
often = hypothesis.settings(
    max_examples=EXAMPLES or 300, derandomize=not EXAMPLES, deadline=None, database=None, phases=[Phase.generate]
)
seeds = given(seed=st.integers(0, 2**32))


@often
@seeds
def test_same_bytes_are_the_same_to_an_application(seed: int) -> None:
    pieces = pieces_of(Random(seed))  # noqa: S311 -- dice that can be thrown again
    with turns_of(ALL_AT_ONCE):
        ours, told_ours = outcome(SignalingProtocol, pieces)
    daphnes, told_daphnes = outcome(WebSocketProtocol, pieces)
    assert ours == daphnes
    # Where autobahn cuts a peer off, daphne may lose the end of what it had to say.
    assert told_ours.startswith(told_daphnes)
    assert told_ours == told_daphnes or "code" not in ours[-1]
    with turns_of(ONE):
        in_turns, _ = outcome(SignalingProtocol, pieces)
    assert in_turns == ours
