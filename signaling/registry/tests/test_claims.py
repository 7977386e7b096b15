"""Who has a client ID: claim, join, release and evict."""

import asyncio

import pytest

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
)
from signaling.registry.contract import Registry, SupersededError
from signaling.registry.memory import MemoryRegistry
from signaling.registry.outcomes import Claim, Ended, Joined, Released
from signaling.registry.tests.both import (
    CALL,
    LIMITS,
    TAKEN,
    TIMEOUTS,
    Stage,
    call,
    held_by,
    legs_of,
    online,
    owner_of,
)
from signaling.tests.stage import Clock, message


async def test_claim_of_a_free_id_succeeds(registry: Registry) -> None:
    owner = owner_of("alice")
    assert await registry.claim("alice", owner) == TAKEN
    assert await registry.join("alice", owner) == Joined({}, [])


async def test_claim_again_by_its_owner_succeeds(registry: Registry) -> None:
    owner = await online(registry, "alice")
    assert await registry.claim("alice", owner) == TAKEN
    assert await registry.join("alice", owner) == Joined({}, [])


async def test_claim_of_a_taken_id_names_the_connection_that_has_it(registry: Registry) -> None:
    first = await online(registry, "alice")
    second = owner_of("alice", 2)
    assert await registry.claim("alice", second) == Claim(first.connection_id, None)
    assert await registry.join("alice", second) is None


async def test_claim_displaces_who_waited_before(registry: Registry) -> None:
    first = await online(registry, "alice")
    second, third = owner_of("alice", 2), owner_of("alice", 3)
    await registry.claim("alice", second)
    assert await registry.claim("alice", third) == Claim(first.connection_id, second.channel)
    for _ in range(2):
        with pytest.raises(SupersededError):
            await registry.claim("alice", second, is_first=False)
        assert await registry.claim("alice", third, is_first=False) == Claim(first.connection_id, None)
    await registry.release("alice", first, [], hold=Hold.FULL)
    with pytest.raises(SupersededError):
        await registry.claim("alice", second, is_first=False)
    assert await registry.claim("alice", third, is_first=False) == TAKEN
    with pytest.raises(SupersededError):
        await registry.claim("alice", second, is_first=False)
    assert await registry.claim("alice", third, is_first=False) == TAKEN


async def test_claim_of_an_id_that_is_free_again_displaces_who_waits_for_it(registry: Registry) -> None:
    first = await online(registry, "alice")
    second, third = owner_of("alice", 2), owner_of("alice", 3)
    await registry.claim("alice", second)
    await registry.release("alice", first, [], hold=Hold.FULL)
    assert await registry.claim("alice", third) == Claim(None, second.channel)
    with pytest.raises(SupersededError):
        await registry.claim("alice", second, is_first=False)


async def test_claim_makes_the_newest_the_successor(registry: Registry) -> None:
    first = await online(registry, "alice")
    for number in (2, 3):
        await registry.claim("alice", owner_of("alice", number))
    released = await registry.release("alice", first, [], hold=Hold.FULL)
    assert released == Released([], owner_of("alice", 3).channel)


async def test_claim_forgets_the_successor_that_it_was(registry: Registry) -> None:
    first = await online(registry, "alice")
    second = owner_of("alice", 2)
    await registry.claim("alice", second)
    await registry.release("alice", first, [], hold=Hold.FULL)
    assert await registry.claim("alice", second) == TAKEN
    assert await registry.release("alice", second, [], hold=Hold.FULL) == Released([], None)


async def test_join_of_an_unknown_client_is_refused(registry: Registry) -> None:
    assert await registry.join("alice", owner_of("alice")) is None


async def test_release_by_the_older_connection_does_nothing(stage: Stage) -> None:
    registry = stage.registry
    first, _ = await call(registry)
    second = owner_of("alice", 2)
    await registry.claim("alice", second)
    await registry.release("alice", first, [], hold=Hold.FULL)
    await registry.claim("alice", second)
    for hold in Hold:
        assert await registry.release("alice", first, [message("stray")], hold=hold) is None
    await registry.evict("alice", first.connection_id)
    joined = await registry.join("alice", second)
    assert joined == Joined({CALL: Leg("bob", Role.CALLER, State.RINGING)}, [])
    await registry.open_call("another-call-of-it", "bob", "alice")


async def test_release_twice_does_nothing_the_second_time(registry: Registry) -> None:
    owner = await online(registry, "alice")
    assert await registry.release("alice", owner, [], hold=Hold.NONE) == Released([], None)
    assert await registry.release("alice", owner, [], hold=Hold.NONE) is None


async def test_release_without_anything_to_hold_forgets_the_client(stage: Stage) -> None:
    owner = await online(stage.registry, "alice")
    await stage.registry.release("alice", owner, [], hold=Hold.FULL)
    assert not await stage.registry.hold("alice", message("late"))
    assert await stage.left() == set()


async def test_release_cleanly_ends_the_calls(stage: Stage) -> None:
    registry = stage.registry
    alice, bob = await call(registry)
    await online(registry, "carol")
    await registry.open_call("another-call-of-it", "carol", "alice")
    released = await registry.release("alice", alice, [message("stray")], hold=Hold.NONE)
    assert released is not None
    assert released.successor is None
    assert sorted(released.ended, key=lambda ended: ended.call_id) == [
        Ended("another-call-of-it", EndReason.PEER_DISCONNECTED, ("carol",)),
        Ended(CALL, EndReason.PEER_DISCONNECTED, ("bob",)),
    ]
    assert await legs_of(registry, bob, "bob") == {}
    with pytest.raises(CallNotFoundError):
        await registry.advance(CALL, "bob", Action.ANSWER)
    assert await held_by(registry, "alice") == []


async def test_release_cleanly_with_a_successor_keeps_the_calls(registry: Registry) -> None:
    alice, _ = await call(registry)
    await registry.claim("alice", owner_of("alice", 2))
    released = await registry.release("alice", alice, [message("stray")], hold=Hold.NONE)
    assert released == Released([], owner_of("alice", 2).channel)
    assert await held_by(registry, "alice") == ["stray"]
    await registry.advance(CALL, "alice", Action.CLOSE)


async def test_evict_of_the_owner_lets_the_next_claim_in(registry: Registry) -> None:
    first, _ = await call(registry)
    await registry.hold("alice", message("before"))
    assert await registry.claim("alice", owner_of("alice", 2)) == Claim(first.connection_id, None)
    await registry.evict("alice", first.connection_id)
    assert await registry.join("alice", first) is None
    assert await held_by(registry, "alice") == ["before"]


async def test_evict_of_somebody_else_does_nothing(registry: Registry) -> None:
    owner = await online(registry, "alice")
    await registry.evict("alice", "another-connection")
    await registry.evict("nobody", owner.connection_id)
    assert await registry.join("alice", owner) == Joined({}, [])


@pytest.fixture
def memory(clock: Clock) -> MemoryRegistry:
    return MemoryRegistry(LIMITS, TIMEOUTS, clock)


async def test_join_at_once_is_a_claim_and_a_join(memory: MemoryRegistry) -> None:
    alice = owner_of("alice")
    assert memory.join_at_once("alice", alice, is_known=True)
    assert await memory.claim("alice", owner_of("alice", 2)) == Claim(alice.connection_id, None)
    assert await memory.join("alice", alice) == Joined({}, [])
    assert (await memory.status()).registered_clients == 1


async def test_join_at_once_is_not_for_an_id_that_somebody_has_or_had(memory: MemoryRegistry) -> None:
    alice, _ = await call(memory)
    again = owner_of("alice", 2)
    assert not memory.join_at_once("alice", again, is_known=True)
    await memory.release("alice", alice, [message("stray")], hold=Hold.FULL)
    assert not memory.join_at_once("alice", again, is_known=True)
    assert await held_by(memory, "alice") == ["stray"]


def test_join_at_once_is_not_for_an_id_that_belongs_to_a_key_or_may(memory: MemoryRegistry) -> None:
    memory.owned.note("alice", "the owner's key")
    assert not memory.join_at_once("alice", owner_of("alice"), is_known=True)
    assert not memory.join_at_once("bob", owner_of("bob"), is_known=False)
    memory.owned.load([])
    assert memory.join_at_once("bob", owner_of("bob"), is_known=False)


async def test_claims_at_once_have_one_winner(registry: Registry) -> None:
    owners = [owner_of("alice", number) for number in range(20)]
    claims = await asyncio.gather(*(registry.claim("alice", owner) for owner in owners))
    holders = [claim.holder for claim in claims]
    assert holders.count(None) == 1
    winner = owners[holders.index(None)]
    assert set(holders) == {None, winner.connection_id}
    assert [await registry.join("alice", owner) is not None for owner in owners].count(True) == 1
