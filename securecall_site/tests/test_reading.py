"""Our reading of frames held against plain daphne's and uvicorn's: the same bytes are the same to an application."""

import asyncio
import contextlib
import os
import re
import socket
from collections.abc import AsyncIterator, Iterator
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
from uvicorn import Config
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.exceptions import InvalidState
from websockets.frames import Frame, Opcode

from fuzz import frames
from fuzz.messages import Messages
from securecall_site import websocket
from securecall_site.server import GracefulServer
from securecall_site.websocket import CLOSE_HANDSHAKE_SECONDS, NO_CODE_RECEIVED, SignalingProtocol
from signaling import transport
from signaling.outbound import Outbound
from signaling.transport import UNHANDLED_EVENTS

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


class Told:
    """What an application was told, and how it came."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        # The most events that one read left for the application, and how often others had their turn meanwhile.
        self.waiting = self.turns = 0
        # The application closes after so many messages.
        self.closes_after = 0
        # Whether the client's close frame was seen.
        self.is_clean = False


class End(Told):
    """A server's end of one connection, and what the application behind it was told."""

    def __init__(self, protocol: type[WebSocketProtocol]) -> None:
        super().__init__()
        self.is_ours = issubclass(protocol, SignalingProtocol)
        server = GracefulServer if self.is_ours else Server
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
        outbound = Outbound(send, 0, lambda close: pytest.fail(str(close))) if self.is_ours else None
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


async def everything_from(client: socket.socket, loop: asyncio.AbstractEventLoop = twisted_loop) -> bytes:
    """Read until the server is gone."""
    parts: list[bytes] = []
    while not parts or parts[-1]:
        try:
            parts.append(await loop.sock_recv(client, 1 << 20))
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


class UvicornEnd(Told):
    """The same on uvicorn, with our reading and writing of frames, or with its own alone."""

    def __init__(self, *, is_ours: bool) -> None:
        super().__init__()
        self.is_ours = is_ours
        self.config = Config(
            self.application,
            interface="asgi3",
            ws="websockets-sansio",
            ws_max_size=frames.CAP_BYTES,
            ws_per_message_deflate=False,
            log_config=None,
        )

    async def application(self, _scope: Event, receive: Any, send: Any) -> None:
        """Like daphne's."""
        assert (await receive())["type"] == "websocket.connect"
        outbound = Outbound(send, 0, lambda close: pytest.fail(str(close))) if self.is_ours else None
        if outbound:
            outbound.hand_over(lambda event: event)
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] != "websocket.disconnect":
            self.events.append(event)
            if len(self.events) == self.closes_after:
                await send({"type": "websocket.close", "code": GOING_AWAY})
                continue
            answer = f"{len(self.events)}: {event.get('text')}"
            if outbound:
                outbound.write(answer)
            else:
                # It raises for who is just being closed, too.
                with contextlib.suppress(ClientDisconnected, RuntimeError):
                    await send({"type": "websocket.send", "text": answer})
        self.events.append(event)

    async def reads(self, pieces: list[bytes]) -> tuple[list[Event], bytes]:
        """Likewise."""
        async with self.connected() as (protocol, client):
            for piece in pieces:
                if protocol.transport.is_closing():
                    break
                try:
                    protocol.data_received(piece)
                except InvalidState:
                    # uvicorn fails so at a text that is no UTF-8 and a close frame in one piece.
                    break
                self.waiting = max(self.waiting, protocol.queue.qsize())
                while not protocol.transport.is_reading() and not protocol.transport.is_closing():
                    await turns(1)
                    self.turns += 1
                await turns(5)
            self.is_clean = protocol.conn.close_rcvd is not None
            protocol.transport.close()
            told = everything_from(client, asyncio.get_running_loop())
            return self.events, await asyncio.wait_for(told, ANSWER_SECONDS)

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[WebSocketsSansIOProtocol, socket.socket]]:
        """A connection whose handshake is done, from both ends; on leaving, the application must end."""
        state = ServerState()
        protocol = WebSocketsSansIOProtocol(self.config, state, {})
        client, server = socket.socketpair()
        client.setblocking(False)  # noqa: FBT003 -- the socket module's
        with client:
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(lambda: protocol, server)
            protocol.data_received(HANDSHAKE)
            await turns(3)
            assert protocol.handshake_complete
            applications = list(state.tasks)
            yield protocol, client
            transport.close()
            await asyncio.wait_for(asyncio.gather(*applications), ANSWER_SECONDS)


async def test_uvicorn_sends_no_pings() -> None:
    """It would begin with the handshake."""
    async with UvicornEnd(is_ours=True).connected() as (protocol, _):
        assert protocol.ping_timer is None


class BusyEnd(UvicornEnd):
    """One whose application is busy for a while."""

    def __init__(self) -> None:
        super().__init__(is_ours=True)
        self.has_time = asyncio.Event()

    async def application(self, scope: Event, receive: Any, send: Any) -> None:
        """Let what comes wait."""

        async def receive_later() -> Event:
            event: Event = await receive()
            if event["type"] != "websocket.connect":
                await self.has_time.wait()
            return event

        await super().application(scope, receive_later, send)


async def test_uvicorn_reads_no_further_while_many_messages_wait() -> None:
    """And goes on once the application has caught up."""
    end = BusyEnd()
    async with end.connected() as (protocol, _):
        for _ in range(UNHANDLED_EVENTS):
            protocol.data_received(MESSAGE)
            await turns(1)
            assert protocol.transport.is_reading()
        # One of them is with the application.
        protocol.data_received(MESSAGE)
        assert not protocol.transport.is_reading()
        end.has_time.set()
        await turns(3)
        assert protocol.transport.is_reading()
        assert len(end.events) == UNHANDLED_EVENTS + 1


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([b"\x82" + bytes((0x80 + len(MESSAGE),)) + bytes(4), MESSAGE], id="inside another frame"),
        pytest.param([Frame(Opcode.TEXT, b"one", fin=False).serialize(mask=True), MESSAGE], id="between fragments"),
    ],
)
def test_what_looks_like_a_frame_is_none(pieces: list[bytes]) -> None:
    assert asyncio.run(UvicornEnd(is_ours=True).reads(pieces)) == asyncio.run(UvicornEnd(is_ours=False).reads(pieces))
    (ours, _), (daphnes, _) = outcome(SignalingProtocol, pieces), outcome(WebSocketProtocol, pieces)
    assert ours == daphnes


class FullEnd(UvicornEnd):
    """One whose network is full for a while."""

    async def application(self, _scope: Event, receive: Any, send: Any) -> None:
        """Write while there is no room, and at once when there is."""
        await receive()
        outbound = Outbound(send, 0, lambda close: pytest.fail(str(close)))
        await send({"type": "websocket.accept"})
        protocol = send.__self__
        protocol.pause_writing()
        outbound.write("first")
        outbound.write("second")
        protocol.resume_writing()
        outbound.write("third")
        self.events.append(await receive())


async def test_order_is_kept_when_uvicorn_has_room_again() -> None:
    _, told = await FullEnd(is_ours=True).reads([])
    assert re.findall(rb"first|second|third", told) == [b"first", b"second", b"third"]


@contextlib.contextmanager
def turns_of(frames_a_turn: int, bytes_a_turn: int) -> Iterator[None]:
    """Read so much of one client before it is the others' turn."""
    with (
        mock.patch.object(websocket, "FRAMES_A_TURN", frames_a_turn),
        mock.patch.multiple(transport, FRAMES_A_TURN=frames_a_turn, BYTES_A_TURN=bytes_a_turn),
    ):
        yield


ALL_AT_ONCE = 1000, frames.CAP_BYTES
LITTLE = 1, 7


@pytest.mark.parametrize(
    ("frame", "turns_daphne", "turns_uvicorn"),
    [
        pytest.param(MESSAGE, 60, 60, id="messages"),
        pytest.param(PING, 60, 1, id="pings"),
    ],
)
def test_flood_is_read_in_turns(frame: bytes, turns_daphne: int, turns_uvicorn: int) -> None:
    """Others are read in between, and nothing of it is lost."""
    pieces = [frame * 1000, CLOSING]
    on_daphne, on_uvicorn = End(SignalingProtocol), UvicornEnd(is_ours=True)
    by_daphne = twisted_loop.run_until_complete(on_daphne.reads(pieces))
    by_uvicorn = asyncio.run(on_uvicorn.reads(pieces))
    assert on_daphne.turns >= turns_daphne
    assert on_uvicorn.turns >= turns_uvicorn
    for end, (events, told) in ((on_daphne, by_daphne), (on_uvicorn, by_uvicorn)):
        assert end.waiting <= FEW
        assert events[-1]["code"] == GOING_AWAY
        assert len(events) - 1 + told.count(PONG) == 1000


def test_flood_after_our_close_is_dropped() -> None:
    """And the client's close frame behind it ends the connection."""
    on_daphne, on_uvicorn = End(SignalingProtocol), UvicornEnd(is_ours=True)
    on_daphne.closes_after = on_uvicorn.closes_after = 1
    pieces = [MESSAGE, MESSAGE * 1000 + CLOSING]
    by_daphne, _ = twisted_loop.run_until_complete(on_daphne.reads(pieces))
    by_uvicorn, _ = asyncio.run(on_uvicorn.reads(pieces))
    for end, events in ((on_daphne, by_daphne), (on_uvicorn, by_uvicorn)):
        assert [event["type"] for event in events] == ["websocket.receive", "websocket.disconnect"]
        assert end.is_clean


async def test_uvicorn_reads_nothing_else_before_the_rest_of_a_flood() -> None:
    """It would whenever the application has no more to do, and the rest would grow."""
    end = BusyEnd()
    async with end.connected() as (protocol, _):
        protocol.data_received(MESSAGE * 20)
        while not protocol.queue.empty():
            await protocol.receive()
            assert not protocol.transport.is_reading()
        end.has_time.set()


# A smaller seed is not a smaller case.
often = hypothesis.settings(
    max_examples=EXAMPLES or 300, derandomize=not EXAMPLES, deadline=None, database=None, phases=[Phase.generate]
)
seeds = given(seed=st.integers(0, 2**32))


@often
@seeds
def test_same_bytes_are_the_same_on_uvicorn(seed: int) -> None:
    pieces = pieces_of(Random(seed))  # noqa: S311 -- dice that can be thrown again
    with turns_of(*ALL_AT_ONCE):
        (*ours, end), told_ours = asyncio.run(UvicornEnd(is_ours=True).reads(pieces))
    (*uvicorns, uvicorns_end), told_uvicorns = asyncio.run(UvicornEnd(is_ours=False).reads(pieces))
    assert (end, told_ours) == (uvicorns_end, told_uvicorns)
    # Of a piece with a violation in it uvicorn loses the messages before that as well.
    assert ours[: len(uvicorns)] == uvicorns
    assert ours == uvicorns or end["code"] in VIOLATIONS
    with turns_of(*LITTLE):
        (*in_turns, last), _ = asyncio.run(UvicornEnd(is_ours=True).reads(pieces))
    # Of two violations it met the later one first.
    assert last == end or last["code"] in VIOLATIONS
    assert in_turns[: len(ours)] == ours
    assert in_turns == ours or last["code"] in VIOLATIONS


@often
@seeds
def test_same_bytes_are_the_same_to_an_application(seed: int) -> None:
    pieces = pieces_of(Random(seed))  # noqa: S311 -- dice that can be thrown again
    with turns_of(*ALL_AT_ONCE):
        ours, told_ours = outcome(SignalingProtocol, pieces)
    daphnes, told_daphnes = outcome(WebSocketProtocol, pieces)
    assert ours == daphnes
    # Where autobahn cuts a peer off, daphne may lose the end of what it had to say.
    assert told_ours.startswith(told_daphnes)
    assert told_ours == told_daphnes or "code" not in ours[-1]
    with turns_of(*LITTLE):
        in_turns, _ = outcome(SignalingProtocol, pieces)
    assert in_turns == ours
