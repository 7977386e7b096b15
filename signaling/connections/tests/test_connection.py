import asyncio
import json
from dataclasses import dataclass, field

import pytest
from msgspec import Raw

from serving.contract import Event, Listener, WebSocket
from signaling.connections import peer
from signaling.connections.connection import Connection
from signaling.connections.relay import Relay
from signaling.delivery.events import changing, group_of
from signaling.delivery.layers import LocalChannelLayer
from signaling.protocol.calls import Leg, Role, State
from signaling.protocol.closing import DISCONNECTED_BY_OPERATOR, SUPERSEDED, Close, Hold
from signaling.protocol.limits import Allowance, Limits, Timeouts
from signaling.protocol.server_messages import CallEnded, IncomingCall, PeerIceCandidate
from signaling.registry.memory import MemoryRegistry
from signaling.registry.outcomes import Joined, Owner
from signaling.tests.stage import Clock, message, until


class Slow(MemoryRegistry):
    """A registry whose joins wait until a test lets them go on."""

    def __init__(self, limits: Limits, timeouts: Timeouts, clock: Clock) -> None:
        super().__init__(limits, timeouts, clock)
        self.is_asked, self.may_go_on = asyncio.Event(), asyncio.Event()
        self.may_go_on.set()

    async def join(self, client_id: str, owner: Owner) -> Joined | None:
        self.is_asked.set()
        await self.may_go_on.wait()
        return await super().join(client_id, owner)


@dataclass
class Socket:
    """A server's end of a WebSocket: what was sent on it, the closes that were asked for, and whether it is gone."""

    frames: list[str] = field(default_factory=list)
    closes: list[Close] = field(default_factory=list)
    is_gone: bool = False
    # Whether the server lets the sender wait.
    is_full: bool = False

    waiting: list[Event] = field(default_factory=list)
    can_ping: bool = False

    def write(self, text: str, event: Event | None = None) -> bool:
        if self.is_gone:
            return False
        if self.is_full:
            self.waiting += [event] if event else []
        else:
            self.frames.append(text)
        return True

    def unsent(self) -> list[Event]:
        waiting, self.waiting = self.waiting, []
        return waiting

    def ping(self, payload: bytes) -> bool:
        raise AssertionError(payload)

    def close(self, code: int, reason: str) -> None:
        raise AssertionError(code, reason)

    async def send(self, event: Event) -> None:
        raise AssertionError(event)

    async def serve(self, listener: Listener) -> None:
        raise AssertionError(listener)

    def types(self) -> list[str]:
        return [json.loads(frame)["type"] if frame.startswith("{") else frame for frame in self.frames]


class Consumer:
    """Closes such a socket, and knows no events of others."""

    def __init__(self, websocket: Socket) -> None:
        self.websocket: WebSocket = websocket
        self._closes = websocket.closes

    def shut(self, close: Close) -> None:
        self._closes.append(close)

    def handle(self, _event: Event) -> bool:
        return False


@pytest.fixture
async def registry(clock: Clock) -> Slow:
    return Slow(Limits(), Timeouts(), clock)


@pytest.fixture
async def relay(registry: Slow) -> Relay:
    return Relay(registry, LocalChannelLayer().here())


@pytest.fixture
def socket() -> Socket:
    return Socket()


async def connect(relay: Relay, socket: Socket) -> Connection:
    channel = await relay.layer.new_channel()
    connection = Connection(relay, channel, Allowance(Limits(), 0), Consumer(socket))
    relay.layer.attach(channel, connection.deliver)
    return connection


@pytest.fixture
async def connection(relay: Relay, socket: Socket) -> Connection:
    return await connect(relay, socket)


async def test_register_replies_before_what_came_meanwhile(
    registry: Slow, relay: Relay, socket: Socket, connection: Connection
) -> None:
    registry.may_go_on.clear()
    registering = asyncio.create_task(connection.register("alice"))
    await registry.is_asked.wait()
    assert relay.post("alice", message("came meanwhile")) is None
    await registry.hold("alice", message("held"))
    assert socket.frames == []
    registry.may_go_on.set()
    await registering
    relay.post("alice", message("after"))
    assert socket.types() == ["REGISTERED", "held", "came meanwhile", "after"]


async def test_register_on_a_closed_connection_leaves_the_client_id_alone(
    registry: Slow, socket: Socket, connection: Connection
) -> None:
    await connection.leave_soon(hold=Hold.FULL)
    await connection.register("alice")
    assert connection.client_id is None
    assert (await registry.status()).registered_clients == 0
    assert socket.frames == []


async def test_register_while_another_is_under_way_is_a_bug(registry: Slow, connection: Connection) -> None:
    registry.may_go_on.clear()
    registering = asyncio.create_task(connection.register("alice"))
    await registry.is_asked.wait()
    with pytest.raises(KeyError):
        await connection.register("alice")
    registry.may_go_on.set()
    await registering
    assert connection.client_id == "alice"


async def test_close_while_joining_gives_the_client_id_back_with_what_came(
    registry: Slow, relay: Relay, socket: Socket, connection: Connection
) -> None:
    registry.may_go_on.clear()
    registering = asyncio.create_task(connection.register("alice"))
    await registry.is_asked.wait()
    leaving = connection.leave_soon(hold=Hold.FULL, then=DISCONNECTED_BY_OPERATOR)
    assert connection.is_leaving
    relay.post("alice", message("came meanwhile"))
    registry.may_go_on.set()
    await asyncio.gather(registering, leaving)
    assert connection.client_id is None
    assert socket.types() == ["REGISTERED"]
    assert socket.closes == [DISCONNECTED_BY_OPERATOR]
    assert (await registry.status()).registered_clients == 0
    again = Socket()
    await (await connect(relay, again)).register("alice")
    assert again.types() == ["REGISTERED", "came meanwhile"]


async def test_connection_that_is_superseded_while_it_joins_is_closed(
    registry: Slow, relay: Relay, socket: Socket, connection: Connection
) -> None:
    registry.may_go_on.clear()
    registering = asyncio.create_task(connection.register("alice"))
    await registry.is_asked.wait()
    await registry.evict("alice", connection.owner.connection_id)
    registry.may_go_on.set()
    await registering
    assert (socket.frames, socket.closes) == ([], [SUPERSEDED])
    assert connection.client_id is None
    assert relay.layer.groups == {}


async def test_message_that_cannot_be_written_waits_with_those_behind_it(
    relay: Relay, socket: Socket, connection: Connection
) -> None:
    await connection.register("alice")
    socket.is_gone = True
    for word in ("one", "two"):
        relay.post("alice", message(word))
    # The registry is away and back before the close is heard of.
    connection.park()
    relay.post("alice", message("three"))
    connection.unpark()
    await connection.leave_soon(hold=Hold.FULL)
    again = Socket()
    await (await connect(relay, again)).register("alice")
    assert again.types() == ["REGISTERED", "one", "two", "three"]


async def test_message_does_not_overtake_one_that_could_not_be_written(
    relay: Relay, socket: Socket, connection: Connection
) -> None:
    await connection.register("alice")
    socket.is_gone = True
    relay.post("alice", message("one"))
    socket.is_gone = False
    relay.post("alice", message("two"))
    assert socket.types() == ["REGISTERED"]
    await connection.leave_soon(hold=Hold.FULL)
    again = Socket()
    await (await connect(relay, again)).register("alice")
    assert again.types() == ["REGISTERED", "one", "two"]


async def test_messages_that_were_not_sent_go_to_the_next_connection(
    relay: Relay, socket: Socket, connection: Connection
) -> None:
    await connection.register("alice")
    socket.is_full = True
    for word in ("one", "two"):
        relay.post("alice", message(word))
    leaving = connection.leave_soon(hold=Hold.FULL)
    relay.post("alice", message("three"))
    await leaving
    again = Socket()
    await (await connect(relay, again)).register("alice")
    assert again.types() == ["REGISTERED", "one", "two", "three"]


async def test_connection_that_rejoins_writes_older_messages_first(
    relay: Relay, socket: Socket, connection: Connection
) -> None:
    await connection.register("alice")
    connection.park()
    relay.post("alice", message("newer"))
    connection.park()
    connection.rejoin(Joined({}, [message("older")]))
    # A connection that joins while the others rejoin is told with them.
    connection.rejoin(Joined({}, [message("last")]))
    assert socket.types() == ["REGISTERED", "older", "newer", "last"]


@pytest.mark.parametrize(("state", "types"), [(None, []), (State.RINGING, ["INCOMING_CALL", "CALL_ENDED"])])
async def test_end_that_comes_after_it_was_told_is_not_told_again(
    connection: Connection, socket: Socket, state: State | None, types: list[str]
) -> None:
    await connection.register("alice")
    connection.legs["call"] = Leg("bob", Role.CALLER, State.ACTIVE)
    connection.park()
    connection.rejoin(Joined({}, []))
    if state is not None:
        # It is another call, with the ID of the one before.
        connection.deliver(changing(IncomingCall("call", "bob", Raw(b'"v=0"')), "call", state, "bob"))
    connection.deliver(changing(CallEnded("call"), "call", None, ""))
    assert socket.types() == ["REGISTERED", "CALL_ENDED", *types]


async def test_client_that_ends_a_call_before_its_connection_rejoins_is_not_told_of_the_end(
    connection: Connection, socket: Socket
) -> None:
    await connection.register("alice")
    connection.legs["call"] = Leg("bob", Role.CALLER, State.ACTIVE)
    connection.park()
    del connection.legs["call"]
    connection.rejoin(Joined({}, []))
    assert socket.types() == ["REGISTERED"]
    assert not connection.legs


async def test_connection_that_rejoins_while_it_leaves_holds_everything(
    relay: Relay, socket: Socket, connection: Connection
) -> None:
    await connection.register("alice")
    leaving = connection.leave_soon(hold=Hold.FULL)
    connection.park()
    relay.post("alice", message("newer"))
    connection.rejoin(Joined({}, [message("older")]))
    await leaving
    connection.unpark()
    assert socket.types() == ["REGISTERED"]
    assert relay.layer.groups.get(group_of("alice")) is None
    again = Socket()
    await (await connect(relay, again)).register("alice")
    assert again.types() == ["REGISTERED", "older", "newer"]


class Broken(Socket):
    """A socket with a bug."""

    def write(self, text: str, event: Event | None = None) -> bool:
        raise RuntimeError(text, event)


async def test_refusal_that_fails_leaves_the_others_of_its_batch(
    relay: Relay, socket: Socket, caplog: pytest.LogCaptureFixture
) -> None:
    for sender in [await connect(relay, Broken()), await connect(relay, socket)]:
        peer.relay(sender, Leg("nobody", Role.CALLER, State.ACTIVE), PeerIceCandidate("call", Raw(b'"a candidate"')))
    await until(lambda: bool(socket.frames))
    assert json.loads(socket.frames[0])["payload"]["code"] == "CALL_NOT_FOUND"
    assert "RuntimeError" in caplog.text
