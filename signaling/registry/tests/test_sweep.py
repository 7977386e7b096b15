"""What time ends: sweep."""

import asyncio

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
from signaling.registry.outcomes import Ended
from signaling.registry.tests.both import (
    CALL,
    TIMEOUTS,
    Stage,
    call,
    held_by,
    legs_of,
    online,
    owner_of,
)
from signaling.tests.stage import change, message


async def test_sweep_ends_what_rang_out_once(stage: Stage) -> None:
    registry, clock = stage.registry, stage.clock
    await call(registry)
    clock.move(TIMEOUTS.ring_seconds - 0.001)
    await stage.renew()
    assert await registry.sweep() == []
    clock.move(0.001)
    swept = await asyncio.gather(*(registry.sweep() for _ in range(10)))
    assert sorted(swept) == [[]] * 9 + [[Ended(CALL, EndReason.TIMEOUT, ("alice", "bob"))]]
    with pytest.raises(CallNotFoundError):
        await registry.advance(CALL, "bob", Action.ANSWER)


async def test_sweep_leaves_active_calls_alone(stage: Stage) -> None:
    await call(stage.registry, State.ACTIVE)
    stage.clock.move(86_400)
    await stage.renew()
    assert await stage.registry.sweep() == []
    assert (await stage.registry.status()).active_calls == 1


async def test_sweep_ends_the_calls_of_who_does_not_come_back(stage: Stage) -> None:
    registry, clock = stage.registry, stage.clock
    alice, bob = await call(registry, State.ACTIVE)
    await registry.release("alice", alice, [message("stray")], hold=Hold.FULL)
    clock.move(TIMEOUTS.hold_seconds - 0.001)
    await stage.renew()
    assert await registry.sweep() == []
    clock.move(0.001)
    assert await registry.sweep() == [Ended(CALL, EndReason.PEER_DISCONNECTED, ("bob",))]
    assert await registry.sweep() == []
    assert not await registry.hold("alice", message("late"))
    assert await legs_of(registry, bob, "bob") == {}
    assert await held_by(registry, "alice") == []


async def test_sweep_ends_a_brief_hold_before_a_full_one_that_began_earlier(stage: Stage) -> None:
    registry, clock = stage.registry, stage.clock
    for number, name in enumerate(("alice", "carol")):
        owner = await online(registry, name)
        await online(registry, f"peer of {name}")
        await registry.open_call(f"{CALL}-{number}", name, f"peer of {name}")
        await registry.release(name, owner, [], hold=Hold.BRIEF if name == "carol" else Hold.FULL)
    clock.move(TIMEOUTS.hold_going_away_seconds - 0.001)
    await stage.renew()
    assert await registry.sweep() == []
    clock.move(0.001)
    assert await registry.sweep() == [Ended(f"{CALL}-1", EndReason.PEER_DISCONNECTED, ("peer of carol",))]
    clock.move(TIMEOUTS.hold_seconds - TIMEOUTS.hold_going_away_seconds)
    await stage.renew()
    assert await registry.sweep() == [Ended(f"{CALL}-0", EndReason.PEER_DISCONNECTED, ("peer of alice",))]


async def test_of_two_that_do_not_come_back_at_once_the_first_by_name_ends_their_call(stage: Stage) -> None:
    registry, clock = stage.registry, stage.clock
    alice, bob = await call(registry, State.ACTIVE)
    for name, owner in (("bob", bob), ("alice", alice)):
        await registry.release(name, owner, [], hold=Hold.FULL)
    clock.move(TIMEOUTS.hold_seconds)
    await stage.renew()
    assert await registry.sweep() == [Ended(CALL, EndReason.PEER_DISCONNECTED, ("bob",))]


async def test_sweep_goes_by_the_newest_of_a_clients_holds(stage: Stage) -> None:
    registry, clock = stage.registry, stage.clock
    alice, _ = await call(registry, State.ACTIVE)
    await registry.release("alice", alice, [], hold=Hold.BRIEF)
    again = owner_of("alice", 2)
    await registry.claim("alice", again)
    await registry.release("alice", again, [], hold=Hold.FULL)
    clock.move(TIMEOUTS.hold_seconds - 0.001)
    await stage.renew()
    assert await registry.sweep() == []
    clock.move(0.001)
    assert len(await registry.sweep()) == 1


async def test_sweep_names_a_call_once_when_nobody_comes_back(stage: Stage) -> None:
    registry = stage.registry
    for name, owner in zip(("alice", "bob"), await call(registry, State.ACTIVE), strict=True):
        await registry.release(name, owner, [], hold=Hold.FULL)
    stage.clock.move(TIMEOUTS.hold_seconds)
    assert [ended.call_id for ended in await registry.sweep()] == [CALL]
    assert await stage.left() == set()


async def test_sweep_leaves_who_came_back_alone(stage: Stage) -> None:
    registry, clock = stage.registry, stage.clock
    alice, _ = await call(registry, State.ACTIVE)
    await registry.release("alice", alice, [], hold=Hold.FULL)
    clock.move(TIMEOUTS.hold_seconds - 1)
    again = owner_of("alice", 2)
    await registry.claim("alice", again)
    clock.move(TIMEOUTS.hold_seconds)
    await stage.renew()
    assert await registry.sweep() == []
    # A second hold lasts as long as the first.
    await registry.release("alice", again, [], hold=Hold.FULL)
    clock.move(TIMEOUTS.hold_seconds - 0.001)
    await stage.renew()
    assert await registry.sweep() == []
    clock.move(0.001)
    assert len(await registry.sweep()) == 1


async def test_sweep_forgets_a_successor_that_never_claims(stage: Stage) -> None:
    registry = stage.registry
    owner = await online(registry, "alice")
    await registry.claim("alice", owner_of("alice", 2))
    await registry.release("alice", owner, [], hold=Hold.FULL)
    stage.clock.move(TIMEOUTS.hold_seconds)
    assert await registry.sweep() == []
    assert await stage.left() == set()


async def test_registry_remembers_nothing_when_all_is_over(stage: Stage) -> None:
    registry = stage.registry
    for number in range(10):
        alice, bob = await call(registry, State.ACTIVE, f"{CALL}-{number}")
        await registry.hold("bob", message("frame"))
        await registry.release("bob", bob, [message("stray")], hold=Hold.FULL)
        await registry.hold("bob", change("frame"))
        if number % 2:
            again = owner_of("bob", 2)
            await registry.claim("bob", again)
            await registry.join("bob", again)
            await registry.release("bob", again, [], hold=Hold.NONE)
        await registry.release("alice", alice, [], hold=Hold.NONE)
        stage.clock.move(TIMEOUTS.hold_seconds)
        await registry.sweep()
    assert await stage.left() == set()
