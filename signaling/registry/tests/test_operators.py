"""What operators ask: open calls, an end, counts, who is online."""

import pytest

from signaling.protocol.calls import (
    Action,
    EndReason,
    State,
)
from signaling.protocol.closing import Hold
from signaling.protocol.errors import (
    CallNotFoundError,
)
from signaling.registry.contract import Registry
from signaling.registry.memory import MemoryRegistry
from signaling.registry.outcomes import Ended, OpenCall, OpenCalls, Status
from signaling.registry.redis import CALLS_PAGE
from signaling.registry.tests.both import CALL, LIMITS, TIMEOUTS, Stage, call, legs_of, online
from signaling.tests.stage import Clock


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
    assert await registry.open_calls("LIC", 10) == OpenCalls([newest, oldest], 2)
    assert await registry.open_calls("-call-of", 10) == OpenCalls([newest], 1)
    assert await registry.open_calls("carol", 10) == OpenCalls([], 0)


async def test_open_calls_are_searched_to_the_oldest(registry: Registry) -> None:
    await call(registry)
    await online(registry, "dave")
    for number in range(CALLS_PAGE):
        if number % LIMITS.open_calls_per_client == 0:
            await online(registry, f"caller-{number // LIMITS.open_calls_per_client}")
        await registry.open_call(f"one-of-many-calls-{number}", f"caller-{number // 8}", "dave")
    found = await registry.open_calls("alice", 10)
    assert ([one.call_id for one in found.calls], found.total) == ([CALL], 1)
    assert (await registry.open_calls("dave", 10)).total == CALLS_PAGE


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
        await registry.release(client_id, owner, [], hold=Hold.FULL)
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
    await registry.release("alice", alice, [], hold=Hold.FULL)
    assert await counts(registry) == (2, 1, 1)
    await registry.advance(CALL, "bob", Action.REJECT)
    assert await counts(registry) == (2, 0, 1)


async def test_who_is_online_are_those_with_a_connection(registry: Registry) -> None:
    alice, _ = await call(registry)
    await online(registry, "carol")
    assert await registry.who_is_online(["alice", "carol", "dave", "Alice"]) == {"alice", "carol"}
    await registry.release("alice", alice, [], hold=Hold.FULL)
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
