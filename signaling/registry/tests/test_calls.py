"""Calls: open_call and advance."""

import asyncio
import itertools

import pytest
from msgspec.structs import replace

from signaling.protocol.calls import (
    TRANSITIONS,
    Action,
    Leg,
    Role,
    State,
)
from signaling.protocol.closing import Hold
from signaling.protocol.errors import (
    CallNotFoundError,
    InvalidMessageError,
    RateLimitedError,
    TargetNotFoundError,
    UnavailableError,
)
from signaling.registry.contract import Registry
from signaling.registry.memory import MemoryRegistry
from signaling.registry.tests.both import (
    CALL,
    LIMITS,
    Stage,
    call,
    legs_of,
    online,
)


async def test_open_call_gives_both_a_leg(registry: Registry) -> None:
    alice, bob = await call(registry)
    assert await legs_of(registry, alice, "alice") == {CALL: Leg("bob", Role.CALLER, State.RINGING)}
    assert await legs_of(registry, bob, "bob") == {CALL: Leg("alice", Role.CALLEE, State.RINGING)}


async def test_steps_that_need_not_be_awaited_are_those_in_memory(registry: Registry) -> None:
    await online(registry, "alice")
    await online(registry, "bob")
    steps = registry.at_once
    assert isinstance(registry, MemoryRegistry) == (steps is not None)
    if steps is not None:
        assert steps.open_call_at_once(CALL, "alice", "bob", is_chosen=True) is None
        assert steps.advance_at_once(CALL, "bob", Action.ANSWER) == Leg("alice", Role.CALLEE, State.ACTIVE)


async def test_open_call_to_nobody_finds_no_target(stage: Stage) -> None:
    await online(stage.registry, "alice")
    with pytest.raises(TargetNotFoundError):
        await stage.registry.open_call(CALL, "alice", "nobody")
    assert (await stage.registry.status()).ringing_calls == 0


async def test_open_call_to_a_held_client_finds_no_target(registry: Registry) -> None:
    _, bob = await call(registry)
    await registry.release("bob", bob, [], hold=Hold.FULL)
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


async def test_open_call_replaces_the_ringing_one_before_whose_id_was_not_chosen_either(registry: Registry) -> None:
    for name in ("alice", "bob", "carol"):
        await online(registry, name)
    opened = [("chosen", "alice", "bob"), ("answered", "alice", "bob"), ("back", "bob", "alice")]
    for call_id, caller, callee in opened:
        assert await registry.open_call(call_id, caller, callee, is_chosen=call_id == "chosen") is None
        if call_id == "answered":
            await registry.advance(call_id, callee, Action.ANSWER)
    assert await registry.open_call("else", "alice", "carol", is_chosen=False) is None
    assert await registry.open_call("first", "alice", "bob", is_chosen=False) is None
    assert await registry.open_call("second", "alice", "bob", is_chosen=False) == "first"
    assert await registry.open_call("third", "alice", "bob", is_chosen=False) == "second"
    assert await registry.open_call("chosen too", "alice", "bob") is None
    for name in ("first", "second"):
        with pytest.raises(CallNotFoundError):
            await registry.advance(name, "bob", Action.ANSWER)
    listed = await registry.open_calls("", 10)
    assert {call.call_id for call in listed.calls} == {"chosen", "answered", "back", "else", "third", "chosen too"}
    assert (await registry.status()).ringing_calls == 5


async def test_open_call_replaces_before_it_counts(registry: Registry) -> None:
    await online(registry, "alice")
    await online(registry, "bob")
    await registry.open_call("unnamed", "alice", "bob", is_chosen=False)
    for number in range(LIMITS.open_calls_per_client - 1):
        await registry.open_call(f"{CALL}-{number}", "alice", "bob")
    with pytest.raises(RateLimitedError):
        await registry.open_call("one more", "alice", "bob")
    assert await registry.open_call("unnamed too", "alice", "bob", is_chosen=False) == "unnamed"


async def test_open_call_that_is_refused_replaces_nothing(registry: Registry) -> None:
    await online(registry, "alice")
    bob = await online(registry, "bob")
    await registry.open_call(CALL, "alice", "bob", is_chosen=False)
    await registry.release("bob", bob, [], hold=Hold.FULL)
    with pytest.raises(TargetNotFoundError):
        await registry.open_call("another", "alice", "bob", is_chosen=False)
    await registry.advance(CALL, "bob", Action.ANSWER)


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
        assert legs == ({} if following is None else {CALL: replace(before[name][CALL], state=following)})


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


async def test_open_call_by_a_client_that_is_gone_is_refused(registry: Registry) -> None:
    await online(registry, "bob")
    with pytest.raises(UnavailableError):
        await registry.open_call(CALL, "alice", "bob")


async def test_open_call_by_a_client_that_is_held_is_refused(registry: Registry) -> None:
    alice, _ = await call(registry)
    await registry.release("alice", alice, [], hold=Hold.FULL)
    with pytest.raises(UnavailableError):
        await registry.open_call("another-call-of-it", "alice", "bob")
