"""What only the registry on Redis has to promise."""

import asyncio
import time
from typing import Any

import pytest

from signaling.delivery.events import Event, group_of
from signaling.protocol.calls import (
    Action,
    EndReason,
    Leg,
    Role,
    State,
)
from signaling.protocol.closing import Hold
from signaling.protocol.errors import (
    CallNotFoundError,
    UnavailableError,
)
from signaling.registry.outcomes import Ended, Joined, Status
from signaling.registry.redis_leases import LEASE_SECONDS
from signaling.registry.tests.both import (
    CALL,
    OF_THE_PROCESS,
    TIMEOUTS,
    call,
    candidate,
    changed,
    legs_of,
    online,
    owner_of,
)
from signaling.tests.stage import Clock, RedisProcess, message, redis_process, until


async def lose_everything(process: RedisProcess) -> None:
    """Empty Redis, as a restart without a disk does, and connect again."""
    await process.link.call("FLUSHALL")
    await process.link.stop()
    await process.link.start(process)
    await process.registry.renew_lease(0)


async def test_restore_brings_back_what_redis_lost(own_redis: Any, clock: Clock) -> None:
    async with redis_process(own_redis.url, "restore", clock) as process:
        registry = process.registry
        alice, bob = await call(registry, State.ACTIVE)
        await registry.open_call("another-call-of-it", "bob", "alice")
        legs = {name: await legs_of(registry, owner, name) for name, owner in (("alice", alice), ("bob", bob))}
        await lose_everything(process)
        assert registry.has_lost_data
        assert (await registry.restore("alice", alice, legs["alice"])).joined == Joined(legs["alice"], [])
        assert (await registry.restore("bob", bob, legs["bob"])).joined == Joined(legs["bob"], [])
        assert await registry.status() == Status(0, 2, 1, 1)
        clock.move(60)
        await registry.renew_lease(0)
        assert await registry.sweep() == [Ended("another-call-of-it", EndReason.TIMEOUT, ("bob", "alice"))]
        assert await registry.advance(CALL, "alice", Action.CLOSE) == Leg("bob", Role.CALLER, State.ACTIVE)


async def test_restore_after_a_reconnect_brings_no_ended_call_back(process: RedisProcess) -> None:
    registry = process.registry
    alice, _ = await call(registry, State.ACTIVE)
    legs = await legs_of(registry, alice, "alice")
    await process.link.stop()
    await process.link.start(process)
    assert not registry.has_lost_data
    await registry.advance(CALL, "bob", Action.CLOSE)
    assert (await registry.restore("alice", alice, legs)).joined == Joined({}, [])


async def test_restore_does_not_take_an_id_from_a_newer_connection(
    process: RedisProcess, other: RedisProcess, clock: Clock
) -> None:
    alice = await online(process.registry, "alice")
    clock.move(LEASE_SECONDS)
    await other.registry.renew_lease(0)
    await other.registry.sweep()
    newer = await online(other.registry, "alice", 2)
    assert (await process.registry.restore("alice", alice, {})).joined is None
    assert await other.registry.join("alice", newer) is not None


async def test_restore_hands_over_what_was_held(process: RedisProcess, other: RedisProcess, clock: Clock) -> None:
    alice = await online(process.registry, "alice")
    await online(other.registry, "bob")
    await other.registry.open_call(CALL, "bob", "alice")
    clock.move(LEASE_SECONDS)
    await other.registry.renew_lease(0)
    await other.registry.sweep()
    await other.registry.hold("alice", message("while away"))
    leg = Leg("bob", Role.CALLEE, State.RINGING)
    assert (await process.registry.restore("alice", alice, {CALL: leg})).joined == Joined(
        {CALL: leg}, [message("while away")]
    )


async def test_scripts_are_loaded_again_after_a_flush(process: RedisProcess) -> None:
    alice, _ = await call(process.registry)
    await process.link.call("SCRIPT", "FLUSH")
    assert await legs_of(process.registry, alice, "alice") == {CALL: Leg("bob", Role.CALLER, State.RINGING)}
    await process.registry.advance(CALL, "bob", Action.REJECT)


async def test_scripts_of_two_processes_work_on_one_redis(process: RedisProcess, other: RedisProcess) -> None:
    for round_number in range(5):
        call_id = f"{CALL}-{round_number}"
        alice, bob = await online(process.registry, "alice"), await online(other.registry, "bob")
        await process.registry.open_call(call_id, "alice", "bob")
        answers = [registry.advance(call_id, "bob", Action.ANSWER) for registry in (process.registry, other.registry)]
        outcomes = await asyncio.gather(*answers, return_exceptions=True)
        assert sum(isinstance(outcome, CallNotFoundError) for outcome in outcomes) == 1
        assert await other.registry.status() == await process.registry.status() == Status(0, 2, 0, 1)
        await other.registry.advance(call_id, "bob", Action.CLOSE)
        await process.registry.release("alice", alice, [], hold=Hold.FULL)
        await other.registry.release("bob", bob, [], hold=Hold.FULL)
    assert await process.keys() == OF_THE_PROCESS


async def test_sweep_by_two_processes_ends_a_call_once(
    process: RedisProcess, other: RedisProcess, clock: Clock
) -> None:
    await call(process.registry)
    clock.move(60)
    for registry in (process.registry, other.registry):
        await registry.renew_lease(0)
    swept = await asyncio.gather(*(registry.sweep() for registry in (process.registry, other.registry) * 5))
    assert [ended for ends in swept for ended in ends] == [Ended(CALL, EndReason.TIMEOUT, ("alice", "bob"))]


async def test_hold_delivers_to_who_has_joined_meanwhile(process: RedisProcess, other: RedisProcess) -> None:
    came: list[Event] = []
    alice = await online(process.registry, "alice")
    process.layer.attach(alice.channel, came.append)
    await process.layer.group_add(group_of("alice"), alice.channel)
    assert await other.registry.hold("alice", message("frame"))
    assert await process.registry.join("alice", alice) == Joined({}, [])
    assert came == [message("frame")]


async def test_registry_without_redis_is_unavailable(own_redis: Any) -> None:
    async with redis_process(own_redis.url, "away") as process:
        await asyncio.to_thread(own_redis.stop)
        await process.link.call("PING") if process.link.is_up else None
        for step in (
            process.registry.sweep,
            process.registry.status,
            lambda: process.registry.who_is_online(["alice"]),
            lambda: process.registry.claim("alice", owner_of("alice")),
            lambda: process.registry.hold("alice", message("frame")),
        ):
            with pytest.raises(UnavailableError):
                await step()


@pytest.mark.parametrize("setting", [("maxmemory", "1"), ("min-replicas-to-write", "3")])
async def test_registry_on_a_redis_that_refuses_to_write_is_unavailable(
    own_redis: Any, setting: tuple[str, str]
) -> None:
    async with redis_process(own_redis.url, "refusing") as process:
        await process.link.call("CONFIG", "SET", *setting)
        with pytest.raises(UnavailableError):
            await process.registry.claim("alice", owner_of("alice"))
        await process.link.call("SCRIPT", "FLUSH")
        with pytest.raises(UnavailableError):
            await process.registry.claim("alice", owner_of("alice"))


@pytest.mark.parametrize("set_to", [3600, -3600])
async def test_process_that_comes_goes_by_the_time_of_those_that_are_there(
    redis_url: str, prefix: str, set_to: int
) -> None:
    def as_before() -> float:
        """What it is for them, since Redis' clock was set."""
        return time.time() - set_to

    async with redis_process(redis_url, prefix, as_before) as there:
        await online(there.registry, "alice")
        await there.registry.renew_lease(1)
        await there.registry.sweep()
        async with redis_process(redis_url, prefix) as newcomer:
            await online(newcomer.registry, "bob")
            await newcomer.registry.renew_lease(1)
            for process in (newcomer, there):
                assert await process.registry.sweep() == []
                assert await process.registry.who_is_online(["alice", "bob"]) == {"alice", "bob"}
                assert await process.registry.renew_lease(1)


# A call that ended must stay ended, whoever comes back late.
async def test_restore_long_after_the_start_brings_no_ended_call_back(
    process: RedisProcess, other: RedisProcess, clock: Clock
) -> None:
    alice, _ = await call(process.registry, State.ACTIVE)
    legs = await legs_of(process.registry, alice, "alice")
    clock.move(LEASE_SECONDS)
    await other.registry.renew_lease(0)
    await other.registry.sweep()
    clock.move(30)
    await other.registry.renew_lease(0)
    assert len(await other.registry.sweep()) == 1
    assert not await process.registry.renew_lease(1)
    assert (await process.registry.restore("alice", alice, legs)).joined == Joined({}, [])


async def test_restore_without_the_peer_ends_the_call_in_time(own_redis: Any, clock: Clock) -> None:
    async with redis_process(own_redis.url, "restore", clock) as process:
        registry = process.registry
        alice, _ = await call(registry, State.ACTIVE)
        legs = await legs_of(registry, alice, "alice")
        await lose_everything(process)
        await registry.restore("alice", alice, legs)
        clock.move(TIMEOUTS.hold_seconds)
        await registry.renew_lease(1)
        assert await registry.sweep() == [Ended(CALL, EndReason.PEER_DISCONNECTED, ("alice",))]


async def test_late_events_reach_the_newer_connection_in_the_step_that_compares_them(
    process: RedisProcess, other: RedisProcess
) -> None:
    came: list[Event] = []
    channel = await other.layer.new_channel()
    other.layer.attach(channel, came.append)
    await other.layer.group_add(group_of("bob"), channel)
    await online(other.registry, "alice")
    await online(other.registry, "bob")
    await other.registry.open_call(CALL, "alice", "bob")
    events = [changed(CALL, "ringing"), changed("a-call-that-is-gone", "ringing"), candidate(CALL)]
    assert await process.registry.deliver_late("bob", events) == []
    await until(lambda: len(came) == 2)
    assert came == [events[0], events[2]]
