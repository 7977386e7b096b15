"""Leases of processes on one Redis."""

import asyncio

import pytest

from signaling.protocol.calls import (
    Action,
    EndReason,
)
from signaling.protocol.errors import (
    TargetNotFoundError,
)
from signaling.protocol.limits import Limits
from signaling.registry.outcomes import Ended, Status
from signaling.registry.redis_leases import LEASE_SECONDS
from signaling.registry.tests.both import (
    CALL,
    OF_THE_PROCESS,
    held_by,
    legs_of,
    online,
)
from signaling.tests.stage import Clock, RedisProcess, message


async def test_lease_of_a_dead_process_holds_its_clients(
    process: RedisProcess, other: RedisProcess, clock: Clock
) -> None:
    dead, alive = process.registry, other.registry
    await online(dead, "alice")
    bob = await online(alive, "bob")
    await alive.open_call(CALL, "bob", "alice")
    await alive.advance(CALL, "alice", Action.ANSWER)
    clock.move(LEASE_SECONDS - 0.001)
    await alive.renew_lease(0)
    assert await alive.sweep() == []
    assert (await alive.status()).registered_clients == 2
    assert await alive.who_is_online(["alice", "bob"]) == {"alice", "bob"}
    clock.move(0.001)
    assert await alive.who_is_online(["alice", "bob"]) == {"bob"}
    assert await alive.sweep() == []
    assert (await alive.status()).registered_clients == 1
    with pytest.raises(TargetNotFoundError):
        await alive.open_call("another-call-of-it", "bob", "alice")
    assert await alive.hold("alice", message("while away"))
    clock.move(29.999)
    await alive.renew_lease(0)
    assert await alive.sweep() == []
    clock.move(0.001)
    assert await alive.sweep() == [Ended(CALL, EndReason.PEER_DISCONNECTED, ("bob",))]
    assert await legs_of(alive, bob, "bob") == {}


async def test_lease_of_a_dead_process_leaves_its_clients_to_come_back(
    process: RedisProcess, other: RedisProcess, clock: Clock
) -> None:
    await online(process.registry, "alice")
    await online(other.registry, "bob")
    await other.registry.open_call(CALL, "bob", "alice")
    clock.move(LEASE_SECONDS)
    await other.registry.renew_lease(0)
    await other.registry.sweep()
    await other.registry.hold("alice", message("while away"))
    assert await held_by(other.registry, "alice") == ["while away"]
    clock.move(30)
    await other.registry.renew_lease(0)
    assert await other.registry.sweep() == [Ended(CALL, EndReason.TIMEOUT, ("bob", "alice"))]


async def test_lease_of_a_dead_process_frees_its_connections(
    process: RedisProcess, other: RedisProcess, clock: Clock
) -> None:
    limit = Limits().connections_per_ip
    for _ in range(limit):
        assert await process.registry.admit("here")
    assert not await other.registry.admit("here")
    clock.move(LEASE_SECONDS)
    await other.registry.renew_lease(7)
    await other.registry.sweep()
    assert await other.registry.admit("here")
    assert (await other.registry.status()).connections == 7
    await other.registry.depart("here")
    assert {key for key in await other.keys() if not key.startswith("arrivals:")} == OF_THE_PROCESS


async def test_recount_sets_how_many_connections_a_process_has(process: RedisProcess, other: RedisProcess) -> None:
    limit = Limits().connections_per_ip
    assert await process.registry.admit("an address that Redis alone remembers")
    await process.registry.recount({"here": limit, "there": 1})
    assert not await other.registry.admit("here")
    assert await other.registry.admit("there")
    await process.registry.recount({"here": limit - 1})
    assert await other.registry.admit("here")
    for address in ("here", "there"):
        await other.registry.depart(address)
    await process.registry.recount({})
    assert {key for key in await other.keys() if not key.startswith("arrivals:")} == OF_THE_PROCESS


async def test_lease_says_whether_the_process_had_been_given_up(
    process: RedisProcess, other: RedisProcess, clock: Clock
) -> None:
    assert await process.registry.renew_lease(3)
    clock.move(LEASE_SECONDS)
    await other.registry.renew_lease(4)
    await other.registry.sweep()
    assert not await process.registry.renew_lease(3)
    assert await process.registry.renew_lease(3)
    assert (await other.registry.status()).connections == 7


async def test_lease_that_ends_holds_at_once(process: RedisProcess, other: RedisProcess) -> None:
    await online(process.registry, "alice")
    await online(other.registry, "bob")
    await other.registry.open_call(CALL, "bob", "alice")
    await process.registry.end_lease()
    assert await other.registry.sweep() == []
    assert await other.registry.status() == Status(0, 1, 1, 0)
    await other.registry.hold("alice", message("while away"))
    assert await held_by(other.registry, "alice") == ["while away"]


async def test_lease_of_many_clients_ends_over_several_sweeps(
    process: RedisProcess, other: RedisProcess, clock: Clock
) -> None:
    names = [f"client-{number}" for number in range(1200)]
    await asyncio.gather(*(online(process.registry, name) for name in names))
    clock.move(LEASE_SECONDS)
    await other.registry.renew_lease(0)
    for _ in range(4):
        await other.registry.sweep()
    assert await other.keys() == OF_THE_PROCESS


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
