import asyncio
from collections.abc import Callable

import pytest

from signaling.connections.relay import Relay
from signaling.delivery.events import BATCH, Event, group_of
from signaling.delivery.layers import LocalChannelLayer, LocalLoopLayer
from signaling.protocol.errors import UnavailableError
from signaling.protocol.limits import Limits, Timeouts
from signaling.registry.memory import MemoryRegistry
from signaling.registry.outcomes import Ended, Owner
from signaling.tests.stage import Clock, RedisProcess, message


def numbered(number: int) -> Event:
    return message(str(number))


class Inbox:
    """A client's channel, and the frames that came to it."""

    def __init__(self) -> None:
        self.frames: list[str] = []

    def deliver(self, event: Event) -> None:
        for part in event["events"] if event["type"] == BATCH else [event]:
            self.frames.append(part["frame"])


async def online(registry: MemoryRegistry, layer: LocalLoopLayer, client_id: str) -> Inbox:
    owner = Owner(client_id, await layer.new_channel())
    await registry.claim(client_id, owner)
    inbox = Inbox()
    layer.attach(owner.channel, inbox.deliver)
    await layer.group_add(group_of(client_id), owner.channel)
    await registry.join(client_id, owner)
    return inbox


@pytest.fixture
def registry(clock: Clock) -> MemoryRegistry:
    return MemoryRegistry(Limits(), Timeouts(), clock)


@pytest.fixture
async def layer() -> LocalLoopLayer:
    return LocalChannelLayer().here()


async def test_event_for_a_client_here_arrives_at_once(
    registry: MemoryRegistry, layer: LocalLoopLayer, tasks_left: Callable[[], set[str]]
) -> None:
    relay = Relay(registry, layer)
    bob = await online(registry, layer, "bob")
    assert relay.post("bob", numbered(1)) is None
    assert bob.frames == ["1"]
    assert await relay.send("bob", numbered(2))
    assert bob.frames == ["1", "2"]
    assert tasks_left() == set()


async def test_event_for_nobody_is_not_delivered(
    registry: MemoryRegistry, layer: LocalLoopLayer, tasks_left: Callable[[], set[str]]
) -> None:
    relay = Relay(registry, layer)
    assert not await relay.send("nobody", numbered(1))
    await asyncio.sleep(0)
    assert tasks_left() == set()
    assert vars(relay)["_outboxes"] == {}


async def test_announce_goes_on_when_somebody_is_gone(registry: MemoryRegistry, layer: LocalLoopLayer) -> None:
    relay = Relay(registry, layer)
    bob = await online(registry, layer, "bob")
    await relay.announce([Ended("call-of-this-test", "timeout", ("nobody", "bob"))])
    assert len(bob.frames) == 1


class Stuck(LocalLoopLayer):
    """A way that is blocked until a test opens it, and may be broken then."""

    def __init__(self) -> None:
        super().__init__()
        self.is_open = asyncio.Event()
        self.error: Exception | None = None
        self.sent: list[int] = []

    async def group_send(self, group: str, message: Event) -> int:
        await self.is_open.wait()
        if self.error is not None:
            raise self.error
        self.sent.append(len(message.get("events", [message])))
        return await super().group_send(group, message)


async def test_events_that_come_meanwhile_leave_together_in_order(registry: MemoryRegistry) -> None:
    layer = Stuck()
    relay = Relay(registry, layer)
    first = asyncio.ensure_future(relay.send("bob", numbered(0)))
    await asyncio.sleep(0)
    bob = await online(registry, layer, "bob")
    others = [asyncio.ensure_future(relay.send("bob", numbered(number))) for number in range(1, 50)]
    await asyncio.sleep(0)
    # Somebody who is reachable now is not reached past what still waits.
    assert bob.frames == []
    layer.is_open.set()
    assert await asyncio.gather(first, *others) == [True] * 50
    assert bob.frames == [str(number) for number in range(50)]
    assert layer.sent == [1, 49]


@pytest.mark.parametrize(
    "error",
    [
        UnavailableError(),
        RuntimeError("a bug"),
    ],
)
async def test_events_are_refused_when_the_way_is_broken(registry: MemoryRegistry, error: Exception) -> None:
    layer = Stuck()
    layer.error = error
    relay = Relay(registry, layer)
    tasks: set[asyncio.Task[None]] = vars(relay)["_tasks"]
    first = relay.post("bob", numbered(0))
    (emptying,) = tasks
    await asyncio.sleep(0)
    second = relay.post("bob", numbered(1))
    assert first is not None
    assert second is not None
    layer.is_open.set()
    async with asyncio.timeout(1):
        outcomes = await asyncio.gather(first, second, return_exceptions=True)
        await asyncio.wait([emptying])
    assert [type(outcome) for outcome in outcomes] == [UnavailableError] * 2
    if not isinstance(error, UnavailableError):
        assert emptying.exception() is error
    # The next one tries again.
    layer.error = None
    bob = await online(registry, layer, "bob")
    assert await relay.send("bob", numbered(2))
    assert bob.frames == ["2"]


async def test_events_across_processes_keep_their_order(process: RedisProcess, other: RedisProcess) -> None:
    relay = Relay(other.registry, other.layer)
    owner = Owner("bob", await process.layer.new_channel())
    bob = Inbox()
    process.layer.attach(owner.channel, bob.deliver)
    await process.registry.claim("bob", owner)
    sending: list[asyncio.Future[bool]] = []
    for number in range(1000):
        outcome = relay.post("bob", numbered(number))
        assert outcome is not None
        sending.append(outcome)
        if number == 100:
            await asyncio.gather(*sending)
            await process.layer.group_add(group_of("bob"), owner.channel)
            joined = await process.registry.join("bob", owner)
            assert joined is not None
            bob.frames[:0] = [event["frame"] for event in joined.held]
        if number % 50 == 0:
            await asyncio.sleep(0)
    assert await asyncio.gather(*sending) == [True] * 1000
    await process.link.call("PING")
    assert bob.frames == [str(number) for number in range(1000)]
