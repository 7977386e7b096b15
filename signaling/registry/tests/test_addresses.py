"""Connections of an address: admit and depart."""

import asyncio

import pytest

from signaling.protocol.limits import Limits
from signaling.registry.contract import Registry
from signaling.registry.memory import MemoryRegistry
from signaling.registry.tests.both import (
    CALL,
    LIMITS,
    TIMEOUTS,
    Stage,
    names_in,
    online,
)
from signaling.tests.stage import Clock, new_prefix, redis_process


async def test_admit_refuses_more_open_connections_than_may_be(registry: Registry) -> None:
    assert [await registry.admit("here") for _ in range(4)] == [True, True, True, False]
    assert await registry.admit("there")
    await registry.depart("here")
    assert await registry.admit("here")
    assert not await registry.admit("here")


async def test_admit_refuses_more_new_connections_than_may_come(stage: Stage) -> None:
    registry, clock = stage.registry, stage.clock
    for _ in range(LIMITS.new_connections_per_ip_per_minute):
        assert await registry.admit("here")
        await registry.depart("here")
        clock.move(1)
    assert not await registry.admit("here")
    assert await registry.admit("there")
    # The first of them leaves the window 60 s after it came; a refused one does not count.
    clock.move(60 - LIMITS.new_connections_per_ip_per_minute - 0.001)
    await stage.renew()
    assert not await registry.admit("here")
    clock.move(0.001)
    assert await registry.admit("here")
    assert not await registry.admit("here")
    clock.move(1)
    await registry.depart("here")
    assert await registry.admit("here")


async def test_admit_at_once_keeps_the_limit(registry: Registry) -> None:
    admitted = await asyncio.gather(*(registry.admit("here") for _ in range(20)))
    assert admitted.count(True) == LIMITS.connections_per_ip


async def test_admit_and_depart_leave_nothing(stage: Stage) -> None:
    registry = stage.registry
    assert await registry.admit("here")
    await registry.depart("here")
    await registry.depart("here")
    await registry.depart("nowhere")
    assert {name for name in await stage.left() if "arrivals" not in name} == set()
    assert [await registry.admit("here") for _ in range(4)] == [True, True, True, False]


@pytest.mark.parametrize("kind", ["memory", "redis"])
async def test_admit_without_limits_admits_everybody(request: pytest.FixtureRequest, kind: str, clock: Clock) -> None:
    off = Limits(connections_per_ip=0, new_connections_per_ip_per_minute=0, open_calls_per_client=0)
    if kind == "memory":
        await unlimited(MemoryRegistry(off, TIMEOUTS, clock))
        return
    async with redis_process(request.getfixturevalue("redis_url"), new_prefix(), clock, off, TIMEOUTS) as process:
        await unlimited(process.registry)


async def unlimited(registry: Registry) -> None:
    assert all([await registry.admit("here") for _ in range(500)])
    await online(registry, "alice")
    await online(registry, "bob")
    for number in range(50):
        await registry.open_call(f"{CALL}-{number}", "alice", "bob")


async def test_arrivals_of_memory_are_forgotten_by_a_sweep(clock: Clock) -> None:
    registry = MemoryRegistry(LIMITS, TIMEOUTS, clock)
    for number in range(100):
        assert await registry.admit(f"address {number}")
        await registry.depart(f"address {number}")
    clock.move(60)
    await registry.sweep()
    assert names_in(registry) == set()
