import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest
import redis
from channels_redis.pubsub import RedisPubSubChannelLayer

from signaling.delivery.events import FORMAT, Event
from signaling.delivery.layers import LocalChannelLayer, LocalLoopLayer
from signaling.delivery.redis_layer import RedisChannelLayer
from signaling.protocol.errors import UnavailableError
from signaling.tests.gate import Gate
from signaling.tests.redis_layers import PATIENCE_SECONDS, LayerProcess, layer_process, new_prefix, until
from tests.support.services import RedisServer

EVENT: Event = {"type": "client.message", "frame": "\u00e9 frame", "changes": ["call", "active", "bob"]}


@pytest.fixture(params=["memory", "redis"])
async def layer(request: pytest.FixtureRequest, prefix: str) -> AsyncIterator[LocalLoopLayer]:
    if request.param == "memory":
        yield LocalChannelLayer().here()
        return
    async with layer_process(request.getfixturevalue("redis_url"), prefix) as process:
        yield process.layer


@dataclass
class Inbox:
    """A channel and what came to it."""

    channel: str
    came: list[Event]

    async def has(self, count: int) -> list[Event]:
        """Wait until so many events came."""
        await until(lambda: len(self.came) >= count)
        return self.came


async def inbox(layer: LocalLoopLayer, group: str | None = None) -> Inbox:
    opened = Inbox(await layer.new_channel(), [])
    layer.attach(opened.channel, opened.came.append)
    if group is not None:
        await layer.group_add(group, opened.channel)
    return opened


def numbered(number: int) -> Event:
    return {"type": "client.message", "frame": str(number)}


async def test_new_channel_is_new_every_time(layer: LocalLoopLayer) -> None:
    assert len({await layer.new_channel() for _ in range(100)}) == 100


async def test_send_reaches_the_channel_alone(layer: LocalLoopLayer) -> None:
    alice, bob = await inbox(layer), await inbox(layer)
    await layer.send(alice.channel, EVENT)
    assert alice.came == [EVENT]
    assert bob.came == []


async def test_send_to_a_detached_channel_reaches_nobody(layer: LocalLoopLayer) -> None:
    alice = await inbox(layer)
    layer.detach(alice.channel)
    layer.detach(alice.channel)
    await layer.send(alice.channel, EVENT)
    assert alice.came == []


async def test_group_send_reaches_every_member_once(layer: LocalLoopLayer) -> None:
    members = [await inbox(layer, "client.alice") for _ in range(3)]
    await layer.group_add("client.alice", members[0].channel)
    outsider = await inbox(layer, "client.bob")
    assert await layer.group_send("client.alice", EVENT) == 3
    assert [member.came for member in members] == [[EVENT]] * 3
    assert outsider.came == []


async def test_group_send_to_nobody_reaches_nobody(layer: LocalLoopLayer) -> None:
    assert await layer.group_send("client.nobody", EVENT) == 0


async def test_group_discard_ends_delivery(layer: LocalLoopLayer) -> None:
    alice, again = await inbox(layer, "client.alice"), await inbox(layer, "client.alice")
    await layer.group_discard("client.alice", alice.channel)
    assert await layer.group_send("client.alice", EVENT) == 1
    await layer.group_discard("client.alice", again.channel)
    await layer.group_discard("client.alice", again.channel)
    await layer.group_discard("client.nobody", again.channel)
    assert await layer.group_send("client.alice", EVENT) == 0
    assert (alice.came, again.came) == ([], [EVENT])
    assert layer.groups == {}


async def test_group_send_to_a_member_that_detached_reaches_nobody(layer: LocalLoopLayer) -> None:
    alice = await inbox(layer, "client.alice")
    layer.detach(alice.channel)
    assert await layer.group_send("client.alice", EVENT) == 0


async def test_receive_waits_for_an_event(layer: LocalLoopLayer) -> None:
    channel = await layer.new_channel()
    receiving = asyncio.create_task(layer.receive(channel))
    await asyncio.sleep(0)
    await layer.group_add("client.alice", channel)
    for number in range(3):
        await layer.group_send("client.alice", numbered(number))
    received = [await receiving, await layer.receive(channel), await layer.receive(channel)]
    assert received == [numbered(number) for number in range(3)]
    await cancelled_receive(layer, channel)


async def test_receive_that_is_cancelled_leaves_nothing(layer: LocalLoopLayer) -> None:
    channel = await layer.new_channel()
    await cancelled_receive(layer, channel)
    await layer.group_add("client.alice", channel)
    assert await layer.group_send("client.alice", EVENT) == 0


async def cancelled_receive(layer: LocalLoopLayer, channel: str) -> None:
    receiving = asyncio.create_task(layer.receive(channel))
    await asyncio.sleep(0)
    receiving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await receiving


async def test_receive_cancelled_twice_is_cancelled_twice(layer: LocalLoopLayer) -> None:
    channel = await layer.new_channel()
    receiving = [asyncio.create_task(layer.receive(channel)) for _ in range(2)]
    await asyncio.sleep(0)
    for task in receiving:
        task.cancel()
    outcomes = await asyncio.gather(*receiving, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] * 2


async def test_receive_gets_what_was_sent_before_it(layer: LocalLoopLayer) -> None:
    channel = await layer.new_channel()
    await layer.send(channel, EVENT)
    async with asyncio.timeout(1):
        assert await layer.receive(channel) == EVENT


async def test_local_layer_has_the_methods_of_a_channel_layer() -> None:
    layer = LocalChannelLayer()
    assert layer.extensions == ("groups",)
    channel = await layer.new_channel()
    receiving = asyncio.create_task(layer.receive(channel))
    await asyncio.sleep(0)
    await layer.group_add("client.alice", channel)
    await layer.group_send("client.alice", EVENT)
    assert await receiving == EVENT
    await layer.group_discard("client.alice", channel)
    with pytest.raises(AttributeError):
        _ = layer.no_such_thing
    assert layer.here() is layer.here()


def test_layer_has_a_switch_for_each_event_loop() -> None:
    for layer in (LocalChannelLayer(), RedisChannelLayer(hosts=["redis://127.0.0.1:1"])):
        parts = [asyncio.run(part_of(layer)) for _ in range(2)]
        assert parts[0] is not parts[1]


async def part_of(layer: LocalChannelLayer | RedisChannelLayer) -> LocalLoopLayer:
    return layer.here()


# --- Two processes ---------------------------------------------------------------------------------------


async def test_group_send_reaches_the_other_process(process: LayerProcess, other: LayerProcess) -> None:
    alice = await inbox(process.layer, "client.alice")
    assert await other.layer.group_send("client.alice", EVENT) == 1
    assert await alice.has(1) == [EVENT]


async def test_group_send_inside_a_process_does_not_ask_redis(own_redis: RedisServer) -> None:
    async with layer_process(own_redis.url, "inside") as process:
        alice = await inbox(process.layer, "client.alice")
        await asyncio.to_thread(own_redis.stop)
        assert await process.layer.group_send("client.alice", EVENT) == 1
        assert alice.came == [EVENT]
        with pytest.raises(UnavailableError):
            await process.layer.group_send("client.bob", EVENT)


async def test_group_send_gives_the_members_the_event_as_it_is(process: LayerProcess) -> None:
    alice = await inbox(process.layer, "client.alice")
    await process.layer.group_send("client.alice", EVENT)
    assert alice.came[0] is EVENT


async def test_events_are_plain_data(process: LayerProcess, other: LayerProcess) -> None:
    await inbox(process.layer, "client.alice")
    for sending in (other.layer.group_send("client.alice", {"type": "x", "frame": object()}),):
        with pytest.raises(TypeError):
            await sending


async def test_send_reaches_a_channel_of_the_other_process(process: LayerProcess, other: LayerProcess) -> None:
    alice, bob = await inbox(process.layer), await inbox(process.layer)
    sent = dict(EVENT)
    await other.layer.send(alice.channel, sent)
    assert await alice.has(1) == [EVENT]
    assert sent == EVENT
    assert bob.came == []


async def test_send_to_a_channel_of_a_process_that_is_gone_is_silent(
    redis_url: str, prefix: str, other: LayerProcess
) -> None:
    async with layer_process(redis_url, prefix) as gone:
        channel = await gone.layer.new_channel()
    await other.layer.send(channel, EVENT)


async def test_group_add_loses_nothing_afterwards(process: LayerProcess, other: LayerProcess) -> None:
    alice = await inbox(process.layer)
    for number in range(1000):
        group = f"client.{number}"
        await process.layer.group_add(group, alice.channel)
        assert await other.layer.group_send(group, numbered(number)) == 1
    assert await alice.has(1000) == [numbered(number) for number in range(1000)]


async def test_group_send_keeps_order_and_loses_nothing(process: LayerProcess, other: LayerProcess) -> None:
    alice = await inbox(process.layer, "client.alice")
    for start in range(0, 5000, 100):
        sending = [other.layer.group_send("client.alice", numbered(start + number)) for number in range(100)]
        assert await asyncio.gather(*sending) == [1] * 100
    assert await alice.has(5000) == [numbered(number) for number in range(5000)]


async def test_group_discard_delivers_what_was_on_its_way(
    process: LayerProcess, other: LayerProcess, redis_url: str
) -> None:
    alice = await inbox(process.layer, "client.alice")
    leaving = asyncio.create_task(process.layer.group_discard("client.alice", alice.channel))
    await asyncio.sleep(0)
    # It has left here and Redis does not know yet: nothing was written since, and this does not let anything be.
    with redis.Redis.from_url(redis_url) as publisher:
        name = process.layer.redis_name("client.alice")
        assert [publisher.publish(name, process.layer.serialize(numbered(number))) for number in range(5)] == [1] * 5
    await leaving
    assert alice.came == [numbered(number) for number in range(5)]
    assert await other.layer.group_send("client.alice", EVENT) == 0


async def test_group_moves_to_the_other_process(process: LayerProcess, other: LayerProcess) -> None:
    before = await inbox(process.layer, "client.alice")
    await process.layer.group_discard("client.alice", before.channel)
    after = await inbox(other.layer, "client.alice")
    assert await process.layer.group_send("client.alice", EVENT) == 1
    assert await after.has(1) == [EVENT]
    assert before.came == []


async def test_groups_are_joined_again_after_redis_restarted(own_redis: RedisServer) -> None:
    async with layer_process(own_redis.url, "again") as process, layer_process(own_redis.url, "again") as other:
        alice = await inbox(process.layer)
        for number in range(1200):
            await process.layer.group_add(f"client.{number}", alice.channel)
        await asyncio.to_thread(own_redis.stop)
        await until(lambda: not process.link.is_up and not other.link.is_up)
        await process.layer.group_discard("client.7", alice.channel)
        with pytest.raises(UnavailableError):
            await process.layer.group_add("client.late", alice.channel)
        await asyncio.to_thread(own_redis.start)
        await until(lambda: process.link.is_up and other.link.is_up)
        assert await other.layer.group_send("client.0", numbered(0)) == 1
        assert await other.layer.group_send("client.1199", numbered(1)) == 1
        for group in ("client.7", "client.late"):
            assert await other.layer.group_send(group, EVENT) == 0
        await other.layer.send(alice.channel, numbered(2))
        assert await alice.has(3) == [numbered(number) for number in range(3)]


async def test_group_left_while_the_groups_are_joined_again_stays_left(own_redis: RedisServer) -> None:
    async with (
        Gate(own_redis.port).listening() as gate,
        layer_process(gate.url, "leaving") as process,
        layer_process(own_redis.url, "leaving") as other,
    ):
        alice = await inbox(process.layer)
        groups = [f"client.{number}" for number in range(1200)]
        await asyncio.gather(*(process.layer.group_add(group, alice.channel) for group in groups))
        leaving: list[asyncio.Task[None]] = []

        async def leave() -> None:
            leaving.append(asyncio.create_task(process.layer.group_discard(groups[-1], alice.channel)))

        gate.before(b"client.0\r\n", leave)
        await other.cut_others()
        await until(lambda: bool(leaving) and process.link.is_up)
        await leaving[0]
        assert await other.layer.group_send(groups[0], EVENT) == 1
        assert await other.layer.group_send(groups[-1], EVENT) == 0


async def test_group_add_that_is_cancelled_leaves_no_member_behind(process: LayerProcess, other: LayerProcess) -> None:
    alice = await inbox(process.layer)
    adding = asyncio.create_task(process.layer.group_add("client.alice", alice.channel))
    await asyncio.sleep(0)
    adding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await adding
    await process.link.call("PING")
    assert await other.layer.group_send("client.alice", EVENT) == 0


async def test_event_that_is_not_ours_does_not_break_the_link(process: LayerProcess, other: LayerProcess) -> None:
    alice = await inbox(process.layer, "client.alice")
    number = await process.link.call("CLIENT", "ID")
    assert await other.link.call("PUBLISH", process.layer.redis_name("client.alice"), b"\xc1 not packed") == 1
    await other.layer.group_send("client.alice", EVENT)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not alice.came and process.link.is_up:
            await asyncio.sleep(0)
    assert alice.came == [EVENT]
    assert await process.link.call("CLIENT", "ID") == number


# --- Together with the layer that Channels' users know -----------------------------------------------------


@pytest.fixture
async def stock(redis_url: str, prefix: str) -> AsyncIterator[RedisPubSubChannelLayer]:
    layer = RedisPubSubChannelLayer(hosts=[redis_url], prefix=prefix)
    yield layer
    await layer.flush()


async def test_stock_layer_reaches_our_groups(process: LayerProcess, stock: RedisPubSubChannelLayer) -> None:
    alice = await inbox(process.layer, "client.alice")
    await stock.group_send("client.alice", EVENT)
    assert await alice.has(1) == [EVENT]


async def test_our_layer_reaches_groups_of_the_stock_layer(
    process: LayerProcess, stock: RedisPubSubChannelLayer
) -> None:
    channel = await stock.new_channel()
    await stock.group_add("client.alice", channel)
    # The stock layer does not wait for its subscription.
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await process.layer.group_send("client.alice", EVENT):
            await asyncio.sleep(0)
        assert await stock.receive(channel) == EVENT | {"format": FORMAT}


async def test_layer_of_another_prefix_reaches_nobody(process: LayerProcess, redis_url: str) -> None:
    await inbox(process.layer, "client.alice")
    async with layer_process(redis_url, new_prefix()) as stranger:
        assert await stranger.layer.group_send("client.alice", EVENT) == 0


async def test_layers_leave_no_tasks(redis_url: str, prefix: str, tasks_left: Callable[[], set[str]]) -> None:
    async with layer_process(redis_url, prefix) as process:
        await inbox(process.layer, "client.alice")
        channel = await process.layer.new_channel()
        await cancelled_receive(process.layer, channel)
    assert tasks_left() == set()
