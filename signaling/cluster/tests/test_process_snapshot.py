"""A process in numbers, for itself and for the others."""

import json
from collections.abc import Awaitable, Callable

from signaling.cluster.node import Node
from signaling.cluster.single_process import SingleProcess
from signaling.telemetry.counters import HOPS_PER_ROUND, Counters, counters
from signaling.tests.people import OFFER, Person, call
from signaling.tests.snapshots import snapshot
from signaling.tests.stage import Clock, redis_process

Join = Callable[..., Awaitable[Person]]


async def test_snapshot_counts_this_process(here: Node, join: Join) -> None:
    # As a round of the node does: who came before may have used it up.
    counters.hop.budget = HOPS_PER_ROUND
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
