"""The consumer on our own server's wire, without a process of its own."""

import asyncio
import contextlib
import contextvars
import gc
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import pytest
from asgiref.local import Local
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol

from serving.asgi_end import AsgiEnd
from serving.hub import Hub
from serving.plain import PlainWebSocket
from serving.rare_frames import RareFrames
from serving.send_queue import SendQueue
from serving.tests.rig import ANSWER_SECONDS, HANDSHAKE, opening
from serving.wire import Wire
from signaling.cluster import node
from signaling.connections.connection import Connection
from signaling.consumers import SignalConsumer
from signaling.protocol.closing import Close
from signaling.tests.wires import CLOSE, Bare, message, site

SIGNAL: Any = SignalConsumer.as_asgi()

# --- One of three whose socket fails ------------------------------------------------------------------------


class BrokenSocketError(Exception):
    """What no socket raises; a bug would."""


class Breakable(socket.socket):
    """A socket that cannot be written to, once it is broken."""

    is_broken = False

    def send(self, data: Any, *flags: int) -> int:
        """Write, or fail."""
        if self.is_broken:
            raise BrokenSocketError(len(data))
        return super().send(data, *flags)


async def joined(hub: Hub, name: str, stack: contextlib.ExitStack) -> tuple[Bare, Breakable]:
    """Connect and register over a socket pair."""
    ours, theirs = socket.socketpair()
    stack.callback(ours.close)
    server = Breakable(fileno=theirs.detach())
    for end in (ours, server):
        end.setblocking(False)  # noqa: FBT003 -- the socket module's
    wire = Wire(hub, server, handshake := opening(), b"")
    AsgiEnd(hub, wire, 5).start(SIGNAL, handshake.scope)
    client = Bare(ours)
    await client.hears("101 Switching Protocols")
    client.says(message("REGISTER", clientId=name))
    await client.hears('"REGISTERED"')
    return client, server


async def call_of(caller: Bare, callee: Bare, name: str) -> str:
    call_id = f"the-call-of-{name}-x"
    caller.says(message("CALL_INITIATE", targetId=name, sdpOffer="v=0", callId=call_id))
    await callee.hears("INCOMING_CALL")
    return call_id


async def test_others_of_the_turn_are_written_then_and_later(caplog: pytest.LogCaptureFixture) -> None:
    hub = Hub(asyncio.get_running_loop(), write_limit_bytes=1 << 20, max_message_bytes=262_144)
    with contextlib.ExitStack() as stack:
        dave, _ = await joined(hub, "dave", stack)
        people = {name: await joined(hub, name, stack) for name in ("alice", "bob", "carol")}
        calls = {name: await call_of(dave, people[name][0], name) for name in people}
        bob, socket_of_bob = people["bob"]
        socket_of_bob.is_broken = True
        for word in ("at once", "and later"):
            # In one piece: the three are written to in one turn.
            words = [message("ICE_CANDIDATE", callId=call, candidate=word) for call in calls.values()]
            dave.sends(b"".join(Frame(Opcode.TEXT, text.encode()).serialize(mask=True) for text in words))
            for name in ("alice", "carol"):
                await people[name][0].hears(f'"{word}"')
            dave.says(message("HEARTBEAT"))
            await dave.hears("HEARTBEAT_ACK")
        await bob.is_cut_off()
        again, _ = await joined(hub, "bob", stack)
        await again.hears('"and later"')
        dave.says(message("ICE_CANDIDATE", callId=calls["bob"], candidate="here again"))
        await again.hears('"here again"')
        for wire in list(hub.wires):
            wire.drop()
        while hub.tasks:
            await asyncio.wait(hub.tasks)
        await node.stop()
    (record,) = [record for record in caplog.records if "BrokenSocketError" in record.getMessage()]
    assert record.levelname == "WARNING"
    assert record.exc_info is not None


# --- What is left of a connection ---------------------------------------------------------------------------

FREED = (SignalConsumer, Connection, SendQueue, PlainWebSocket, Wire, AsgiEnd, RareFrames, ServerProtocol)


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    # What other tests left behind is not looked at.
    gc.freeze()
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


def left() -> list[str]:
    """Name what is left of connections."""
    return [type(one).__name__ for one in gc.get_objects() if isinstance(one, FREED)]


async def until_freed() -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ANSWER_SECONDS):
            while left():
                await asyncio.sleep(0)
    assert left() == []


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("last_words", [CLOSE, b"\xff\xff", b""], ids=["goodbye", "violation", "drop"])
async def test_closed_connection_is_freed_at_once(last_words: bytes) -> None:
    async with site(SIGNAL) as served:
        client = await served.connect()
        client.says(message("REGISTER", clientId="alice"))
        await client.hears("REGISTERED")
        client.sends(Frame(Opcode.PING, b"life").serialize(mask=True))
        await client.hears("life")
        assert left().count("ServerProtocol") == 0
        if last_words:
            client.sends(last_words)
            await client.is_cut_off()
        client.socket.close()
        await until_freed()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("code", [1000, 1006])
async def test_closed_connection_on_plain_asgi_is_freed_at_once(code: int) -> None:
    """What is left of a server's connection is its own."""
    events: asyncio.Queue[Any] = asyncio.Queue()
    sent: asyncio.Queue[Any] = asyncio.Queue()
    scope = {"type": "websocket", "path": "/signal", "headers": [], "client": ("203.0.113.9", 50_000)}
    serving = asyncio.create_task(SIGNAL(scope, events.get, sent.put))
    for event in (
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "text": message("REGISTER", clientId="alice")},
    ):
        events.put_nowait(event)
        await sent.get()
    events.put_nowait({"type": "websocket.disconnect", "code": code})
    await serving
    del serving
    await until_freed()
    await node.stop()


@pytest.mark.usefixtures("no_collector")
async def test_idle_connection_keeps_neither_task_nor_scope() -> None:
    async with site(SIGNAL) as served:
        client = await served.connect()
        client.says(message("REGISTER", clientId="alice"))
        await client.hears("REGISTERED")
        async with asyncio.timeout(ANSWER_SECONDS):
            while served.hub.tasks:
                await asyncio.sleep(0)
        (consumer,) = [one for one in gc.get_objects() if isinstance(one, SignalConsumer)]
        assert not hasattr(consumer, "scope")
        assert [one for one in gc.get_objects() if isinstance(one, (AsgiEnd, RareFrames, SendQueue))] == []


# --- Channels' methods, on the wire and elsewhere -----------------------------------------------------------


class Talker(SignalConsumer):
    """Uses what Channels gives a consumer."""

    codes: list[int | None] = []  # noqa: RUF012 -- the test's

    async def connect(self) -> None:
        """Accept, join a group and say hello."""
        layer: Any = get_channel_layer()
        self.is_admitted = await self.node.admit(self.address)
        await self.accept(subprotocol="talk")
        await layer.group_add("talkers", self.channel_name)
        await self.send_json({"hello": True})

    async def receive_json(self, content: Any, **_: Any) -> None:
        """Do what the message says."""
        layer: Any = get_channel_layer()
        if "group" in content:
            await layer.group_send("talkers", {"type": "talk.said", "words": content["group"]})
        elif "close" in content:
            await self.close(code=content["close"], reason="as you wished")
        else:
            await self.send_json({"echo": content})

    def received(self, text: str | None, data: bytes | None) -> Any:
        """Take each message the way that Channels does."""
        return self.receive_json(json.loads(text or data or b"{}"))

    async def talk_said(self, event: Any) -> None:
        """Pass on what was said to the group."""
        await self.send_json({"said": event["words"]})

    async def disconnect(self, code: int | None = None) -> None:
        """Note the code."""
        self.codes.append(code)
        layer: Any = get_channel_layer()
        await layer.group_discard("talkers", self.channel_name)
        await super().disconnect(code)


TALKER: Any = Talker.as_asgi()


class Wrapped:
    """A middleware that counts what passes in both directions."""

    def __init__(self, application: Any) -> None:
        self.application = application
        self.came = self.went = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def counted_receive() -> Any:
            event = await receive()
            self.came += 1
            return event

        async def counted_send(event: Any) -> None:
            self.went += 1
            await send(event)

        await self.application(scope, counted_receive, counted_send)


class Talk(Protocol):
    """A client, on any of three ways."""

    async def say(self, content: Any) -> None:
        """Send JSON."""

    async def hear(self) -> Any:
        """Receive JSON."""

    async def closes(self) -> tuple[int, str]:
        """Wait for the server's close."""

    async def leave(self, code: int) -> None:
        """Close from this side."""


class OverSocket:
    def __init__(self, connection: Any) -> None:
        self.connection = connection

    async def say(self, content: Any) -> None:
        await self.connection.send(json.dumps(content))

    async def hear(self) -> Any:
        async with asyncio.timeout(ANSWER_SECONDS):
            return json.loads(await self.connection.recv())

    async def closes(self) -> tuple[int, str]:
        async with asyncio.timeout(ANSWER_SECONDS):
            with pytest.raises(ConnectionClosed) as closed:
                await self.connection.recv()
        assert closed.value.rcvd is not None
        return closed.value.rcvd.code, closed.value.rcvd.reason

    async def leave(self, code: int) -> None:
        await self.connection.close(code)


class OverCommunicator:
    def __init__(self, socket: WebsocketCommunicator) -> None:
        self.socket = socket

    async def say(self, content: Any) -> None:
        await self.socket.send_json_to(content)

    async def hear(self) -> Any:
        return await self.socket.receive_json_from(ANSWER_SECONDS)

    async def closes(self) -> tuple[int, str]:
        event = await self.socket.receive_output(ANSWER_SECONDS)
        await self.socket.send_input({"type": "websocket.disconnect", "code": event["code"]})
        await self.socket.wait(ANSWER_SECONDS)
        return event["code"], event["reason"]

    async def leave(self, code: int) -> None:
        await self.socket.disconnect(code, ANSWER_SECONDS)


@asynccontextmanager
async def over_socket(application: Any) -> AsyncIterator[tuple[Talk, Talk]]:
    async with (
        site(application) as served,
        connect(served.url, subprotocols=["talk"], compression=None) as one,  # type: ignore[list-item]
        connect(served.url, subprotocols=["talk"], compression=None) as other,  # type: ignore[list-item]
    ):
        assert one.subprotocol == "talk"
        yield OverSocket(one), OverSocket(other)


@asynccontextmanager
async def over_communicator() -> AsyncIterator[tuple[Talk, Talk]]:
    sockets = [WebsocketCommunicator(TALKER, "/signal", subprotocols=["talk"]) for _ in range(2)]
    for one in sockets:
        assert await one.connect(ANSWER_SECONDS) == (True, "talk")
    yield OverCommunicator(sockets[0]), OverCommunicator(sockets[1])
    await node.stop()


@asynccontextmanager
async def on(way: str) -> AsyncIterator[tuple[Talk, Talk]]:
    """Connect two clients."""
    if way == "communicator":
        async with over_communicator() as pair:
            yield pair
        return
    middleware = Wrapped(TALKER)
    async with over_socket(TALKER if way == "wire" else middleware) as pair:
        yield pair
    assert (middleware.came > 0) is (way == "middleware")


@pytest.mark.parametrize("way", ["wire", "middleware", "communicator"])
async def test_consumer_has_channels_methods(way: str) -> None:
    Talker.codes.clear()
    async with on(way) as (one, other):
        for client in (one, other):
            assert await client.hear() == {"hello": True}
        await one.say({"a": "é🙂"})
        assert await one.hear() == {"echo": {"a": "é🙂"}}
        await one.say({"group": "to all"})
        for client in (one, other):
            assert await client.hear() == {"said": "to all"}
        await one.say({"close": 4321})
        assert await one.closes() == (4321, "as you wished")
        await other.leave(1001)
        async with asyncio.timeout(ANSWER_SECONDS):
            while len(Talker.codes) < 2:
                await asyncio.sleep(0)
    assert sorted(map(str, Talker.codes)) == ["1001", "4321"]


async def test_close_before_the_accept_refuses_the_handshake() -> None:
    class Refusing(SignalConsumer):
        async def connect(self) -> None:
            await self.close()

    refusing: Any = Refusing.as_asgi()
    async with site(refusing) as served:
        bare = socket.socket()
        bare.setblocking(False)  # noqa: FBT003 -- the socket module's
        with bare:
            await asyncio.get_running_loop().sock_connect(bare, served.address)
            bare.send(HANDSHAKE)
            await Bare(bare).hears("403 Forbidden")


# --- Whose turn it is ---------------------------------------------------------------------------------------

who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")
local = Local()


class Marked(Talker):
    """Leaves a mark in the context of each turn, and tells what it found there."""

    def mark(self, name: str) -> list[str]:
        """Leave a mark; returns what was there."""
        found = [who.get(), getattr(local, "who", "nobody")]
        who.set(name)
        local.who = name
        return found

    def received(self, text: str | None, data: bytes | None) -> Any:
        """Tell what is found, at once or from a task."""
        content = json.loads(text or data or b"{}")
        if "group" in content:
            return self.tell_the_group(content)
        self.websocket.write(json.dumps({"found": self.mark(content["name"])}))
        return None

    async def tell_the_group(self, content: Any) -> None:
        """Leave a mark in the turn that the others' events come in."""
        self.mark(content["name"])
        await self.receive_json(content)

    async def talk_said(self, event: Any) -> None:  # noqa: ARG002 -- Channels gives it
        """Tell what is found in the turn of another."""
        await self.send_json({"said": self.mark("an event")})


async def test_two_clients_never_meet_in_a_context() -> None:
    marked: Any = Marked.as_asgi()
    async with over_socket(marked) as (alice, bob):
        people = {"alice": alice, "bob": bob}
        for client in people.values():
            await client.hear()
        for _ in range(3):
            for name, client in people.items():
                await client.say({"name": name})
                assert set((await client.hear())["found"]) <= {"nobody", name}
        await alice.say({"name": "alice", "group": "hello"})
        for client in people.values():
            assert set((await client.hear())["said"]) == {"nobody"}
    assert who.get() == "nobody"


async def test_bug_closes_the_connection_with_1011_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(SignalConsumer):
        def received(self, text: str | None, data: bytes | None) -> Any:
            raise LookupError(text, data)

    broken: Any = Broken.as_asgi()
    async with site(broken) as served, connect(served.url, compression=None) as client:
        await client.send("anything")
        assert await OverSocket(client).closes() == Close(1011, "internal error")
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.name == "signaling.consumers"
    assert record.exc_info is not None


@pytest.mark.usefixtures("no_collector")
async def test_many_connections_at_once_each_get_their_answer() -> None:
    async with site(SIGNAL) as served:
        clients = await asyncio.gather(*(served.connect() for _ in range(50)))
        for number, client in enumerate(clients):
            client.says(message("REGISTER", clientId=f"client-{number}"))
        for number, client in enumerate(clients):
            await client.hears(f'"client-{number}"')
        assert len(served.hub.wires) == 50
