"""The contract that both registries keep, and what only the one in Redis has to promise."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from signaling.delivery.events import Event, group_of
from signaling.protocol.calls import (
    HELD_BYTES,
    HELD_MESSAGES,
    TRANSITIONS,
    Action,
    EndReason,
    Leg,
    Role,
    State,
)
from signaling.protocol.errors import (
    CallNotFoundError,
    InvalidMessageError,
    ProtocolError,
    RateLimitedError,
    TargetNotFoundError,
    UnavailableError,
)
from signaling.protocol.limits import Limits, Timeouts
from signaling.registry.contract import (
    Claim,
    Ended,
    Joined,
    OpenCall,
    OpenCalls,
    Owner,
    Registry,
    Released,
    Status,
    SupersededError,
)
from signaling.registry.memory import MemoryRegistry
from signaling.registry.redis_leases import LEASE_SECONDS
from signaling.tests.stage import Clock, RedisProcess, change, message, new_prefix, redis_process

CALL = "call-of-this-test"
TAKEN = Claim(None, None)
LIMITS = Limits(connections_per_ip=3, new_connections_per_ip_per_minute=5, open_calls_per_client=8)
TIMEOUTS = Timeouts(ring_seconds=60, hold_seconds=30)
# What a process has in Redis for as long as it runs, and what ends by itself after a minute.
OF_THE_PROCESS = {"epoch", "processes", "connections", "formats"}


@dataclass
class Stage:
    """A registry, the time it goes by, and what it still remembers."""

    registry: Registry
    clock: Clock
    left: Callable[[], Awaitable[set[str]]]


@pytest.fixture(params=["memory", "redis"])
async def stage(request: pytest.FixtureRequest, clock: Clock, prefix: str) -> AsyncIterator[Stage]:
    if request.param == "memory":
        registry = MemoryRegistry(LIMITS, TIMEOUTS, clock)

        async def left() -> set[str]:
            return names_in(registry)

        yield Stage(registry, clock, left)
        return
    url = request.getfixturevalue("redis_url")
    async with redis_process(url, prefix, clock, LIMITS, TIMEOUTS) as process:

        async def keys() -> set[str]:
            return await process.keys() - OF_THE_PROCESS

        yield Stage(process.registry, clock, keys)


@pytest.fixture
def registry(stage: Stage) -> Registry:
    return stage.registry


def names_in(registry: MemoryRegistry) -> set[str]:
    """Everything that a memory registry still remembers."""
    parts = dict(vars(registry))
    parts |= vars(parts["_addresses"])
    names = ("_clients", "_ringing", "_holds", "_calls", "_connections", "_arrivals")
    return {f"{name}:{key}" for name in names for key in parts[name]}


def owner_of(client_id: str, number: int = 1) -> Owner:
    return Owner(f"{client_id}-{number}", f"channel.{client_id}.{number}")


async def online(registry: Registry, client_id: str, number: int = 1) -> Owner:
    """Connect a client that nobody else has connected."""
    owner = owner_of(client_id, number)
    assert await registry.claim(client_id, owner) == TAKEN
    assert await registry.join(client_id, owner) is not None
    return owner


async def held_by(registry: Registry, client_id: str, number: int = 2) -> list[str]:
    """Reconnect a client; returns the frames that waited for it."""
    owner = owner_of(client_id, number)
    assert await registry.claim(client_id, owner) == TAKEN
    joined = await registry.join(client_id, owner)
    assert joined is not None
    return [event["frame"] for event in joined.held]


async def legs_of(registry: Registry, owner: Owner, client_id: str) -> dict[str, Leg]:
    joined = await registry.join(client_id, owner)
    assert joined is not None
    return joined.legs


async def call(registry: Registry, state: State = State.RINGING, call_id: str = CALL) -> tuple[Owner, Owner]:
    """Have Alice call Bob; returns their connections."""
    alice, bob = await online(registry, "alice"), await online(registry, "bob")
    await registry.open_call(call_id, "alice", "bob")
    if state is State.ACTIVE:
        await registry.advance(call_id, "bob", Action.ANSWER)
    return alice, bob


# --- Who has a client ID ------------------------------------------------------------------------------


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
    await registry.release("alice", first, [], hold=True)
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
    await registry.release("alice", first, [], hold=True)
    assert await registry.claim("alice", third) == Claim(None, second.channel)
    with pytest.raises(SupersededError):
        await registry.claim("alice", second, is_first=False)


async def test_claim_makes_the_newest_the_successor(registry: Registry) -> None:
    first = await online(registry, "alice")
    for number in (2, 3):
        await registry.claim("alice", owner_of("alice", number))
    released = await registry.release("alice", first, [], hold=True)
    assert released == Released([], owner_of("alice", 3).channel)


async def test_claim_forgets_the_successor_that_it_was(registry: Registry) -> None:
    first = await online(registry, "alice")
    second = owner_of("alice", 2)
    await registry.claim("alice", second)
    await registry.release("alice", first, [], hold=True)
    assert await registry.claim("alice", second) == TAKEN
    assert await registry.release("alice", second, [], hold=True) == Released([], None)


async def test_join_of_an_unknown_client_is_refused(registry: Registry) -> None:
    assert await registry.join("alice", owner_of("alice")) is None


async def test_release_by_the_older_connection_does_nothing(stage: Stage) -> None:
    registry = stage.registry
    first, _ = await call(registry)
    second = owner_of("alice", 2)
    await registry.claim("alice", second)
    await registry.release("alice", first, [], hold=True)
    await registry.claim("alice", second)
    for hold in (True, False):
        assert await registry.release("alice", first, [message("stray")], hold=hold) is None
    await registry.evict("alice", first.connection_id)
    joined = await registry.join("alice", second)
    assert joined == Joined({CALL: Leg("bob", Role.CALLER, State.RINGING)}, [])
    await registry.open_call("another-call-of-it", "bob", "alice")


async def test_release_twice_does_nothing_the_second_time(registry: Registry) -> None:
    owner = await online(registry, "alice")
    assert await registry.release("alice", owner, [], hold=False) == Released([], None)
    assert await registry.release("alice", owner, [], hold=False) is None


async def test_release_without_anything_to_hold_forgets_the_client(stage: Stage) -> None:
    owner = await online(stage.registry, "alice")
    await stage.registry.release("alice", owner, [], hold=True)
    assert not await stage.registry.hold("alice", message("late"))
    assert await stage.left() == set()


async def test_release_cleanly_ends_the_calls(stage: Stage) -> None:
    registry = stage.registry
    alice, bob = await call(registry)
    await online(registry, "carol")
    await registry.open_call("another-call-of-it", "carol", "alice")
    released = await registry.release("alice", alice, [message("stray")], hold=False)
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
    released = await registry.release("alice", alice, [message("stray")], hold=False)
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


async def test_claims_at_once_have_one_winner(registry: Registry) -> None:
    owners = [owner_of("alice", number) for number in range(20)]
    claims = await asyncio.gather(*(registry.claim("alice", owner) for owner in owners))
    holders = [claim.holder for claim in claims]
    assert holders.count(None) == 1
    winner = owners[holders.index(None)]
    assert set(holders) == {None, winner.connection_id}
    assert [await registry.join("alice", owner) is not None for owner in owners].count(True) == 1


# --- What waits for a client ------------------------------------------------------------------------------


async def test_hold_for_an_unknown_client_is_refused(stage: Stage) -> None:
    assert not await stage.registry.hold("nobody", message("frame"))
    assert await stage.left() == set()


async def test_hold_keeps_the_order(registry: Registry) -> None:
    alice, _ = await call(registry)
    await registry.release("alice", alice, [], hold=True)
    frames = [f"frame {number}" for number in range(50)]
    for frame in frames:
        assert await registry.hold("alice", message(frame))
    assert await held_by(registry, "alice") == frames


async def test_hold_puts_strays_before_what_was_held(registry: Registry) -> None:
    alice, _ = await call(registry)
    await registry.hold("alice", message("third"))
    await registry.hold("alice", message("fourth"))
    await registry.release("alice", alice, [message("first"), message("second")], hold=True)
    await registry.hold("alice", message("fifth"))
    assert await held_by(registry, "alice") == ["first", "second", "third", "fourth", "fifth"]


async def test_hold_hands_over_whole_events_once(registry: Registry) -> None:
    alice, _ = await call(registry)
    event: Event = change("frame") | {"changes": [CALL, "active", "bob"], "frame": "\u00e9\U0001f600 frame"}
    await registry.hold("alice", event)
    assert await registry.join("alice", alice) == Joined({CALL: Leg("bob", Role.CALLER, State.RINGING)}, [event])
    joined = await registry.join("alice", alice)
    assert joined is not None
    assert joined.held == []


async def test_hold_waits_between_claim_and_join(registry: Registry) -> None:
    owner = owner_of("alice")
    await registry.claim("alice", owner)
    assert await registry.hold("alice", message("early"))
    joined = await registry.join("alice", owner)
    assert joined == Joined({}, [message("early")])


async def test_hold_refuses_more_messages_than_may_wait(registry: Registry) -> None:
    alice, _ = await call(registry)
    await registry.release("alice", alice, [], hold=True)
    for number in range(HELD_MESSAGES):
        await registry.hold("alice", message(str(number)))
    with pytest.raises(RateLimitedError) as refused:
        await registry.hold("alice", message("one more"))
    assert refused.value.retry_after_seconds
    assert await registry.hold("alice", change("needed"))
    frames = await held_by(registry, "alice")
    assert frames == [*map(str, range(HELD_MESSAGES)), "needed"]


@pytest.mark.parametrize("letter", ["x", "\u00e9", "\u20ac"])
async def test_hold_refuses_more_bytes_than_may_wait(registry: Registry, letter: str) -> None:
    alice, _ = await call(registry)
    await registry.release("alice", alice, [], hold=True)
    size = len(letter.encode())
    frame = letter * (HELD_BYTES // size)
    frame += "x" * (HELD_BYTES - len(frame.encode()))
    await registry.hold("alice", message(frame))
    with pytest.raises(RateLimitedError):
        await registry.hold("alice", message("x"))
    assert await registry.hold("alice", change("needed"))
    assert await held_by(registry, "alice") == [frame, "needed"]


async def test_hold_counts_strays_and_starts_again_after_a_join(registry: Registry) -> None:
    alice, _ = await call(registry)
    most = message("x" * HELD_BYTES)
    await registry.release("alice", alice, [most], hold=True)
    with pytest.raises(RateLimitedError):
        await registry.hold("alice", message("x"))
    again = owner_of("alice", 2)
    await registry.claim("alice", again)
    await registry.join("alice", again)
    await registry.release("alice", again, [], hold=True)
    assert await registry.hold("alice", most)


# --- Calls ----------------------------------------------------------------------------------------------


async def test_open_call_gives_both_a_leg(registry: Registry) -> None:
    alice, bob = await call(registry)
    assert await legs_of(registry, alice, "alice") == {CALL: Leg("bob", Role.CALLER, State.RINGING)}
    assert await legs_of(registry, bob, "bob") == {CALL: Leg("alice", Role.CALLEE, State.RINGING)}


async def test_open_call_to_nobody_finds_no_target(stage: Stage) -> None:
    await online(stage.registry, "alice")
    with pytest.raises(TargetNotFoundError):
        await stage.registry.open_call(CALL, "alice", "nobody")
    assert (await stage.registry.status()).ringing_calls == 0


async def test_open_call_to_a_held_client_finds_no_target(registry: Registry) -> None:
    _, bob = await call(registry)
    await registry.release("bob", bob, [], hold=True)
    with pytest.raises(TargetNotFoundError):
        await registry.open_call("another-call-of-it", "alice", "bob")


async def test_open_call_with_a_used_id_is_invalid(registry: Registry) -> None:
    await call(registry)
    await online(registry, "carol")
    for caller, callee in (("alice", "bob"), ("carol", "bob"), ("bob", "alice")):
        with pytest.raises(InvalidMessageError):
            await registry.open_call(CALL, caller, callee)


async def test_open_call_may_use_the_id_of_an_ended_call(registry: Registry) -> None:
    await call(registry)
    await registry.advance(CALL, "alice", Action.CLOSE)
    await registry.open_call(CALL, "bob", "alice")


async def test_open_call_beyond_the_limit_is_refused(registry: Registry) -> None:
    await online(registry, "alice")
    await online(registry, "bob")
    for number in range(LIMITS.open_calls_per_client):
        await registry.open_call(f"{CALL}-{number}", "alice", "bob")
    await registry.advance(f"{CALL}-0", "bob", Action.ANSWER)
    with pytest.raises(RateLimitedError):
        await registry.open_call(CALL, "alice", "bob")
    await registry.open_call(CALL, "bob", "alice")
    await registry.advance(f"{CALL}-1", "bob", Action.REJECT)
    await registry.open_call(f"{CALL}-more", "alice", "bob")


async def test_open_call_with_one_id_at_once_succeeds_once(registry: Registry) -> None:
    names = [f"client-{number}" for number in range(20)]
    for name in (*names, "bob"):
        await online(registry, name)
    outcomes = await asyncio.gather(*(registry.open_call(CALL, name, "bob") for name in names), return_exceptions=True)
    assert outcomes.count(None) == 1
    assert sum(isinstance(outcome, InvalidMessageError) for outcome in outcomes) == 19
    assert (await registry.status()).ringing_calls == 1


EVERYTHING = list(itertools.product(Action, State, Role))


@pytest.mark.parametrize(("action", "state", "role"), EVERYTHING)
async def test_advance_follows_the_table(registry: Registry, action: Action, state: State, role: Role) -> None:
    owners = dict(zip(("alice", "bob"), await call(registry, state), strict=True))
    client_id, peer = ("alice", "bob") if role is Role.CALLER else ("bob", "alice")
    before = {name: await legs_of(registry, owner, name) for name, owner in owners.items()}
    if (state, role) not in TRANSITIONS[action]:
        with pytest.raises(CallNotFoundError):
            await registry.advance(CALL, client_id, action)
        assert {name: await legs_of(registry, owner, name) for name, owner in owners.items()} == before
        return
    following = TRANSITIONS[action][state, role]
    leg = await registry.advance(CALL, client_id, action)
    assert leg == Leg(peer, role, following or state)
    for name, owner in owners.items():
        legs = await legs_of(registry, owner, name)
        assert legs == ({} if following is None else {CALL: before[name][CALL]._replace(state=following)})


@pytest.mark.parametrize("action", list(Action))
async def test_advance_by_an_outsider_finds_no_call(registry: Registry, action: Action) -> None:
    await call(registry)
    await online(registry, "carol")
    for client_id in ("carol", "nobody"):
        with pytest.raises(CallNotFoundError):
            await registry.advance(CALL, client_id, action)
    with pytest.raises(CallNotFoundError):
        await registry.advance("a-call-that-never-was", "alice", action)
    await registry.advance(CALL, "bob", Action.ANSWER)


async def test_advance_by_twenty_answers_at_once_has_one_winner(registry: Registry) -> None:
    await call(registry)
    outcomes = await asyncio.gather(
        *(registry.advance(CALL, "bob", Action.ANSWER) for _ in range(20)), return_exceptions=True
    )
    assert outcomes.count(Leg("alice", Role.CALLEE, State.ACTIVE)) == 1
    assert sum(isinstance(outcome, CallNotFoundError) for outcome in outcomes) == 19


async def test_advance_never_brings_an_ended_call_back(stage: Stage) -> None:
    registry = stage.registry
    alice, bob = await call(registry)
    for _ in range(10):
        outcomes = await asyncio.gather(
            registry.advance(CALL, "bob", Action.ANSWER),
            registry.advance(CALL, "alice", Action.CLOSE),
            registry.advance(CALL, "bob", Action.REJECT),
            registry.advance(CALL, "bob", Action.ANSWER),
            registry.advance(CALL, "bob", Action.CLOSE),
            return_exceptions=True,
        )
        ends = [outcome for outcome in outcomes[1:] if isinstance(outcome, Leg) and outcome.state]
        assert len([*ends]) == 1
        for action, client_id in itertools.product(Action, ("alice", "bob")):
            with pytest.raises(CallNotFoundError):
                await registry.advance(CALL, client_id, action)
        assert await legs_of(registry, alice, "alice") == await legs_of(registry, bob, "bob") == {}
        assert (await registry.status()).active_calls == (await registry.status()).ringing_calls == 0
        await registry.open_call(CALL, "alice", "bob")


# --- What time ends -------------------------------------------------------------------------------------


async def test_sweep_ends_what_rang_out_once(stage: Stage) -> None:
    registry, clock = stage.registry, stage.clock
    await call(registry)
    clock.move(TIMEOUTS.ring_seconds - 0.001)
    await renew(registry)
    assert await registry.sweep() == []
    clock.move(0.001)
    swept = await asyncio.gather(*(registry.sweep() for _ in range(10)))
    assert sorted(swept) == [[]] * 9 + [[Ended(CALL, EndReason.TIMEOUT, ("alice", "bob"))]]
    with pytest.raises(CallNotFoundError):
        await registry.advance(CALL, "bob", Action.ANSWER)


async def test_sweep_leaves_active_calls_alone(stage: Stage) -> None:
    await call(stage.registry, State.ACTIVE)
    stage.clock.move(86_400)
    await renew(stage.registry)
    assert await stage.registry.sweep() == []
    assert (await stage.registry.status()).active_calls == 1


async def test_sweep_ends_the_calls_of_who_does_not_come_back(stage: Stage) -> None:
    registry, clock = stage.registry, stage.clock
    alice, bob = await call(registry, State.ACTIVE)
    await registry.release("alice", alice, [message("stray")], hold=True)
    clock.move(TIMEOUTS.hold_seconds - 0.001)
    await renew(registry)
    assert await registry.sweep() == []
    clock.move(0.001)
    assert await registry.sweep() == [Ended(CALL, EndReason.PEER_DISCONNECTED, ("bob",))]
    assert await registry.sweep() == []
    assert not await registry.hold("alice", message("late"))
    assert await legs_of(registry, bob, "bob") == {}
    assert await held_by(registry, "alice") == []


async def test_sweep_names_a_call_once_when_nobody_comes_back(stage: Stage) -> None:
    registry = stage.registry
    for name, owner in zip(("alice", "bob"), await call(registry, State.ACTIVE), strict=True):
        await registry.release(name, owner, [], hold=True)
    stage.clock.move(TIMEOUTS.hold_seconds)
    assert [ended.call_id for ended in await registry.sweep()] == [CALL]
    assert await stage.left() == set()


async def test_sweep_leaves_who_came_back_alone(stage: Stage) -> None:
    registry, clock = stage.registry, stage.clock
    alice, _ = await call(registry, State.ACTIVE)
    await registry.release("alice", alice, [], hold=True)
    clock.move(TIMEOUTS.hold_seconds - 1)
    again = owner_of("alice", 2)
    await registry.claim("alice", again)
    clock.move(TIMEOUTS.hold_seconds)
    await renew(registry)
    assert await registry.sweep() == []
    # A second hold lasts as long as the first.
    await registry.release("alice", again, [], hold=True)
    clock.move(TIMEOUTS.hold_seconds - 0.001)
    await renew(registry)
    assert await registry.sweep() == []
    clock.move(0.001)
    assert len(await registry.sweep()) == 1


async def test_sweep_forgets_a_successor_that_never_claims(stage: Stage) -> None:
    registry = stage.registry
    owner = await online(registry, "alice")
    await registry.claim("alice", owner_of("alice", 2))
    await registry.release("alice", owner, [], hold=True)
    stage.clock.move(TIMEOUTS.hold_seconds)
    assert await registry.sweep() == []
    assert await stage.left() == set()


async def test_registry_remembers_nothing_when_all_is_over(stage: Stage) -> None:
    registry = stage.registry
    for number in range(10):
        alice, bob = await call(registry, State.ACTIVE, f"{CALL}-{number}")
        await registry.hold("bob", message("frame"))
        await registry.release("bob", bob, [message("stray")], hold=True)
        await registry.hold("bob", change("frame"))
        if number % 2:
            again = owner_of("bob", 2)
            await registry.claim("bob", again)
            await registry.join("bob", again)
            await registry.release("bob", again, [], hold=False)
        await registry.release("alice", alice, [], hold=False)
        stage.clock.move(TIMEOUTS.hold_seconds)
        await registry.sweep()
    assert await stage.left() == set()


async def renew(registry: Registry) -> None:
    """Keep the process alive whose time a test moves."""
    renew_lease = getattr(registry, "renew_lease", None)
    if renew_lease is not None:
        await renew_lease(0)


# --- Connections of an address --------------------------------------------------------------------------


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
    await renew(registry)
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


async def test_open_calls_are_listed_newest_first_with_state_and_age(stage: Stage) -> None:
    registry, clock = stage.registry, stage.clock
    await call(registry, State.ACTIVE)
    clock.move(20)
    await registry.open_call("another-call-of-it", "bob", "alice")
    clock.move(5)
    newest = OpenCall("another-call-of-it", "bob", "alice", State.RINGING, 5)
    oldest = OpenCall(CALL, "alice", "bob", State.ACTIVE, 25)
    assert await registry.open_calls("", 10) == OpenCalls([newest, oldest], 2)
    assert await registry.open_calls("", 1) == OpenCalls([newest], 2)
    assert await registry.open_calls("alice", 1) == OpenCalls([newest], 2)
    assert await registry.open_calls(CALL, 10) == OpenCalls([oldest], 1)
    assert await registry.open_calls("carol", 10) == OpenCalls([], 0)


async def test_open_calls_of_a_client_are_only_its_own(registry: Registry) -> None:
    await call(registry)
    for name in ("carol", "dave"):
        await online(registry, name)
    await registry.open_call("another-call-of-it", "carol", "dave")
    for name in ("carol", "dave"):
        assert [one.call_id for one in (await registry.open_calls(name, 10)).calls] == ["another-call-of-it"]


@pytest.mark.parametrize("state", State)
async def test_end_call_ends_it_for_both_sides(stage: Stage, state: State) -> None:
    registry = stage.registry
    alice, bob = await call(registry, state)
    assert await registry.end_call(CALL, EndReason.OPERATOR) == Ended(CALL, EndReason.OPERATOR, ("alice", "bob"))
    for client_id, owner in (("alice", alice), ("bob", bob)):
        assert await legs_of(registry, owner, client_id) == {}
    assert await registry.open_calls("", 10) == OpenCalls([], 0)
    stage.clock.move(TIMEOUTS.ring_seconds)
    assert await registry.sweep() == []
    for client_id, owner in (("alice", alice), ("bob", bob)):
        await registry.release(client_id, owner, [], hold=True)
    assert await stage.left() == set()


async def test_end_call_of_an_unknown_call_is_refused(registry: Registry) -> None:
    await call(registry)
    with pytest.raises(CallNotFoundError):
        await registry.end_call("no-such-call-at-all", EndReason.OPERATOR)
    await registry.end_call(CALL, EndReason.OPERATOR)
    with pytest.raises(CallNotFoundError):
        await registry.end_call(CALL, EndReason.OPERATOR)


async def test_status_counts_clients_and_calls(registry: Registry) -> None:
    alice, _ = await call(registry)
    await online(registry, "carol")
    await registry.open_call("another-call-of-it", "carol", "bob")
    await registry.advance("another-call-of-it", "bob", Action.ANSWER)
    assert await counts(registry) == (3, 1, 1)
    await registry.release("alice", alice, [], hold=True)
    assert await counts(registry) == (2, 1, 1)
    await registry.advance(CALL, "bob", Action.REJECT)
    assert await counts(registry) == (2, 0, 1)


async def test_who_is_online_are_those_with_a_connection(registry: Registry) -> None:
    alice, _ = await call(registry)
    await online(registry, "carol")
    assert await registry.who_is_online(["alice", "carol", "dave", "Alice"]) == {"alice", "carol"}
    await registry.release("alice", alice, [], hold=True)
    assert await registry.who_is_online(["alice", "bob"]) == {"bob"}
    assert await registry.who_is_online([]) == set()


async def counts(registry: Registry) -> tuple[int, int, int]:
    status = await registry.status()
    return status.registered_clients, status.ringing_calls, status.active_calls


async def test_status_of_memory_counts_connections(clock: Clock) -> None:
    registry = MemoryRegistry(LIMITS, TIMEOUTS, clock)
    for address in ("here", "here", "there"):
        assert await registry.admit(address)
    await registry.depart("here")
    assert await registry.status() == Status(2, 0, 0, 0)


async def test_arrivals_of_memory_are_forgotten_by_a_sweep(clock: Clock) -> None:
    registry = MemoryRegistry(LIMITS, TIMEOUTS, clock)
    for number in range(100):
        assert await registry.admit(f"address {number}")
        await registry.depart(f"address {number}")
    clock.move(60)
    await registry.sweep()
    assert names_in(registry) == set()


# --- Both registries do the same ------------------------------------------------------------------------

NAMES = st.sampled_from(["alice", "bob", "carol"])
NUMBERS = st.integers(1, 3)
CALL_IDS = st.sampled_from([f"{CALL}-{number}" for number in range(3)])
EVENTS = st.builds(
    lambda needed, letter, size: (change if needed else message)(letter * size),
    st.booleans(),
    st.sampled_from(["x", "\u00e9"]),
    st.sampled_from([1, 50_000, 120_000]),
)


class Twins(RuleBasedStateMachine):
    """The same steps on both registries, which must have the same outcomes."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = Clock()
        self.owners: dict[str, int] = {}
        self.open: list[str] = []

    @initialize()
    def start(self) -> None:
        self.loop.run_until_complete(self.connect())

    async def connect(self) -> None:
        limits = Limits(connections_per_ip=2, new_connections_per_ip_per_minute=3, open_calls_per_client=2)
        self.memory = MemoryRegistry(limits, TIMEOUTS, self.clock)
        self.process = RedisProcess(self.url, new_prefix(), self.clock, limits, TIMEOUTS)
        await self.process.link.start(self.process)
        await self.process.registry.renew_lease(0)

    def both(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Do the same step on both; returns the outcome."""

        async def outcome(registry: Registry) -> Any:
            try:
                return comparable(await getattr(registry, method)(*arguments, **options))
            except SupersededError as error:
                return type(error)
            except ProtocolError as error:
                return type(error), error.sentence, error.retry_after_seconds

        memory = self.loop.run_until_complete(outcome(self.memory))
        redis = self.loop.run_until_complete(outcome(self.process.registry))
        assert memory == redis, f"{method}{arguments}: {memory} in memory, {redis} in Redis"
        return memory

    @rule(name=NAMES, number=NUMBERS, is_first=st.booleans())
    def claim(self, name: str, number: int, is_first: bool) -> None:  # noqa: FBT001 -- drawn
        claim = self.both("claim", name, owner_of(name, number), is_first=is_first)
        if isinstance(claim, Claim) and claim.holder is None:
            self.owners[name] = number

    @rule(name=NAMES, number=NUMBERS)
    def join(self, name: str, number: int) -> None:
        self.both("join", name, owner_of(name, number))

    @rule(name=NAMES, number=NUMBERS, strays=st.lists(EVENTS, max_size=3), hold=st.booleans())
    def release(self, name: str, number: int, strays: list[Event], hold: bool) -> None:  # noqa: FBT001 -- drawn
        if self.both("release", name, owner_of(name, number), strays, hold=hold) is not None:
            del self.owners[name]

    @rule(name=NAMES, number=NUMBERS)
    def evict(self, name: str, number: int) -> None:
        self.both("evict", name, owner_of(name, number).connection_id)
        if self.owners.get(name) == number:
            del self.owners[name]

    @rule(name=NAMES, event=EVENTS)
    def hold(self, name: str, event: Event) -> None:
        self.both("hold", name, event)

    @precondition(lambda self: self.owners)
    @rule(call_id=CALL_IDS, data=st.data(), callee=NAMES)
    def open_call(self, call_id: str, data: st.DataObject, callee: str) -> None:
        caller = data.draw(st.sampled_from(sorted(self.owners)))
        if caller != callee:
            self.both("open_call", call_id, caller, callee)

    @rule(call_id=CALL_IDS, name=NAMES, action=st.sampled_from(Action))
    def advance(self, call_id: str, name: str, action: Action) -> None:
        self.both("advance", call_id, name, action)

    @rule(seconds=st.sampled_from([0.001, 1, 29.999, 30, 60]))
    def wait(self, seconds: float) -> None:
        self.clock.move(seconds)
        self.loop.run_until_complete(self.process.registry.renew_lease(0))

    @rule()
    def sweep(self) -> None:
        self.both("sweep")

    @rule(address=st.sampled_from(["here", "there"]))
    def admit(self, address: str) -> None:
        if self.both("admit", address):
            self.open.append(address)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def depart(self, data: st.DataObject) -> None:
        self.both("depart", self.open.pop(data.draw(st.integers(0, len(self.open) - 1))))

    @invariant()
    def counts_agree(self) -> None:
        self.both("status")
        self.both("who_is_online", ["alice", "bob", "carol", "nobody"])

    def teardown(self) -> None:
        """Whatever happened, in the end nothing is left."""
        try:
            for name, number in list(self.owners.items()):
                self.release(name, number, [], hold=False)
            for address in self.open:
                self.both("depart", address)
            self.wait(60)
            self.sweep()
            self.wait(60)
            self.sweep()
            assert names_in(self.memory) == set()
            keys = self.loop.run_until_complete(self.process.keys())
            assert {key for key in keys if not key.startswith("arrivals:")} <= OF_THE_PROCESS
        finally:
            self.loop.run_until_complete(self.process.link.stop())
            self.loop.run_until_complete(asyncio.sleep(0))
            self.loop.close()


def comparable(outcome: Any) -> Any:
    """Leave out what may differ: the order of ended calls, and when connections are counted."""
    if isinstance(outcome, Released):
        return sorted(outcome.ended, key=lambda ended: ended.call_id), outcome.successor
    if isinstance(outcome, list):
        # Who rang out is told in any order.
        return sorted(outcome, key=lambda ended: ended.call_id)
    if isinstance(outcome, Status):
        return outcome.registered_clients, outcome.ringing_calls, outcome.active_calls
    return outcome


def test_registries_do_the_same(redis_url: str) -> None:
    class TwinsHere(Twins):
        url = redis_url

    run_state_machine_as_test(
        TwinsHere,
        settings=hypothesis.settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        ),
    )


# --- Redis only -----------------------------------------------------------------------------------------


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
        assert registry.has_lost_everything
        assert await registry.restore("alice", alice, legs["alice"]) == Joined(legs["alice"], [])
        assert await registry.restore("bob", bob, legs["bob"]) == Joined(legs["bob"], [])
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
    assert not registry.has_lost_everything
    await registry.advance(CALL, "bob", Action.CLOSE)
    assert await registry.restore("alice", alice, legs) == Joined({}, [])


async def test_restore_does_not_take_an_id_from_a_newer_connection(
    process: RedisProcess, other: RedisProcess, clock: Clock
) -> None:
    alice = await online(process.registry, "alice")
    clock.move(LEASE_SECONDS)
    await other.registry.renew_lease(0)
    await other.registry.sweep()
    newer = await online(other.registry, "alice", 2)
    assert await process.registry.restore("alice", alice, {}) is None
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
    assert await process.registry.restore("alice", alice, {CALL: leg}) == Joined({CALL: leg}, [message("while away")])


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
        await process.registry.release("alice", alice, [], hold=True)
        await other.registry.release("bob", bob, [], hold=True)
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
    assert await process.registry.restore("alice", alice, legs) == Joined({}, [])


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


async def test_open_call_by_a_client_that_is_gone_is_refused(registry: Registry) -> None:
    await online(registry, "bob")
    with pytest.raises(UnavailableError):
        await registry.open_call(CALL, "alice", "bob")


async def test_open_call_by_a_client_that_is_held_is_refused(registry: Registry) -> None:
    alice, _ = await call(registry)
    await registry.release("alice", alice, [], hold=True)
    with pytest.raises(UnavailableError):
        await registry.open_call("another-call-of-it", "alice", "bob")
