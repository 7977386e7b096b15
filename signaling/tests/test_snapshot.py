import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from pytest_django import Settings

from signaling import operations
from signaling.cluster import node
from signaling.cluster.node import Node
from signaling.cluster.single_process import SingleProcess
from signaling.registry.redis_leases import LEASE_SECONDS
from signaling.telemetry.counters import HOPS_A_ROUND, Counters, counters
from signaling.telemetry.readings import MINUTES_A_DAY, Minutes
from signaling.telemetry.snapshot import Overview, Series, Snapshot, Window
from signaling.tests.people import OFFER, Person, call
from signaling.tests.stage import Clock, RedisProcess, redis_process, use_redis
from tests.support.services import RedisServer

Join = Callable[..., Awaitable[Person]]


def snapshot(process: str, clock: Clock, counters: Counters) -> Snapshot:
    minutes = Minutes(counters, clock)
    series, quarters = minutes.series()
    return Snapshot(
        process=process,
        host="host",
        version="1",
        started_at=clock.now,
        taken_at=clock.now,
        redis_is_up=True,
        connections=3,
        registered_clients=2,
        calls_ringing=1,
        calls_active=4,
        totals=minutes.totals(),
        hour=minutes.window(60),
        day=minutes.window(MINUTES_A_DAY),
        minutes=series,
        quarters=quarters,
    )


@pytest.fixture
async def on_redis(redis_url: str, prefix: str, settings: Settings) -> AsyncIterator[Node]:
    """The node of a process on the shared Redis."""
    use_redis(settings, redis_url, prefix)
    yield await node.current()
    await node.stop()


def hops(*counts: int) -> Window:
    labels = ("0.001", "0.01", "+Inf")
    return Window(60, {"hop": dict(zip(labels, counts, strict=True))})


def test_quantile_is_linear_within_a_bucket() -> None:
    assert hops(10, 0, 0).quantile(0.5) == pytest.approx(0.0005)
    assert hops(50, 50, 0).quantile(0.5) == pytest.approx(0.001)
    assert hops(50, 50, 0).quantile(0.99) == pytest.approx(0.00982)


def test_quantile_beyond_the_last_bound_is_the_last_bound() -> None:
    assert hops(1, 0, 99).quantile(0.99) == pytest.approx(0.01)


def test_quantile_of_nothing_is_none() -> None:
    assert hops(0, 0, 0).quantile(0.5) is None
    assert Window(60, {}).quantile(0.5) is None


def test_series_of_processes_are_added_step_by_step() -> None:
    late = Series(1, 99, {"messages_received": [1, 2, 3]})
    newest = Series(1, 100, {"messages_received": [10, 20, 30]})
    assert Series.sum([newest, late]) == Series(1, 100, {"messages_received": [12, 23, 30]})
    assert Series.sum([late, newest]) == Series(1, 100, {"messages_received": [12, 23, 30]})


def test_snapshot_survives_json(clock: Clock) -> None:
    original = snapshot("a", clock, Counters())
    assert Snapshot.decode(original.encode()) == original


def test_snapshot_of_another_version_is_left_out() -> None:
    assert Snapshot.decode(b'{"process":"a"}') is None
    assert Snapshot.decode(b"not JSON") is None


async def test_snapshot_counts_this_process(here: Node, join: Join) -> None:
    # As a round of the node does: who came before may have used it up.
    counters.hop.budget = HOPS_A_ROUND
    before = here.snapshot()
    alice, bob = await (await join()).register("alice"), await (await join()).register("bob")
    await join()
    await call(alice, bob)
    await call(alice, bob, is_answered=False)
    after = here.snapshot()
    assert (after.connections, after.registered_clients) == (3, 2)
    assert (after.calls_ringing, after.calls_active) == (1, 1)
    assert after.redis_is_up is (None if isinstance(here.cluster, SingleProcess) else True)
    assert after.hour.count("calls_opened") - before.hour.count("calls_opened") == 2
    assert after.hour.count("messages_sent", "INCOMING_CALL") - before.hour.count("messages_sent", "INCOMING_CALL") == 2
    # Two offers, one answer.
    assert after.hour.count("hop") - before.hour.count("hop") == 3
    assert after.hour.quantile(0.5) is not None


async def test_overview_of_one_process_is_its_own(here: Node, join: Join) -> None:
    await join()
    overview = await operations.snapshots()
    assert [one.process for one in overview.processes] == [here.layer.process]
    assert overview.total.connections == 1


async def test_overview_adds_up_the_processes_that_live(
    on_redis: Node, redis_url: str, prefix: str, clock: Clock, join: Join
) -> None:
    await join()
    counters = Counters()
    async with redis_process(redis_url, prefix) as other:
        minutes = snapshot(other.layer.process, clock, counters)
        await other.registry.renew_lease(3, minutes.encode())
        overview = await on_redis.overview()
        assert [one.process for one in overview.processes] == [on_redis.layer.process, other.layer.process]
        assert overview.total.connections == 4
        assert overview.total.calls_active == 4
        own = overview.processes[0]
        assert overview.total.totals["registrations"][""] == own.totals["registrations"][""]
        await other.registry.end_lease()
        assert len((await on_redis.overview()).processes) == 1


async def test_process_that_does_not_renew_its_lease_disappears(
    process: RedisProcess, other: RedisProcess, clock: Clock
) -> None:
    await process.registry.renew_lease(1, b"one")
    clock.move(LEASE_SECONDS / 2)
    await other.registry.renew_lease(1, b"two")
    assert sorted(await process.registry.snapshots()) == [b"one", b"two"]
    clock.move(LEASE_SECONDS / 2)
    assert await process.registry.snapshots() == [b"two"]
    # Redis forgets the text by its own clock.
    key = f"{process.layer.prefix}-registry:snapshot:{process.layer.process}"
    assert 0 < await process.link.call("PTTL", key) <= LEASE_SECONDS * 1000


async def test_overview_without_redis_is_this_process_and_says_so(own_redis: RedisServer, settings: Settings) -> None:
    use_redis(settings, own_redis.url, "snapshots")
    await node.current()
    own_redis.stop()
    overview = await operations.snapshots()
    assert [one.redis_is_up for one in overview.processes] == [False]
    assert overview.total.redis_is_up is False
    await node.stop()


async def test_snapshot_names_nobody(here: Node, join: Join) -> None:
    alice = await (await join(address="203.0.113.77")).register("who-is-calling")
    bob = await (await join(address="203.0.113.78")).register("who-is-called")
    await alice.send("CALL_INITIATE", targetId="who-is-called", sdpOffer=OFFER)
    call_id = (await bob.expects("INCOMING_CALL"))["callId"]
    await alice.send("CALL_END", callId=call_id, reason="who-gave-this-reason")
    await bob.expects("CALL_ENDED")
    text = here.snapshot().encode().decode()
    for secret in ("who-", "203.0.113", call_id, *(member.address for member in here.members)):
        assert secret not in text
    assert json.loads(text)["connections"] == 2


def test_total_adds_counts_over_the_same_time(clock: Clock) -> None:
    counters = Counters()
    counters.registrations = 7
    one = snapshot("a", clock, counters)
    total = Overview([one, one]).total
    assert total.totals["registrations"] == {"": 14}
    assert total.hour.seconds == one.hour.seconds
