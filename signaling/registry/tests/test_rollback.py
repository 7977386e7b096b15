"""What the registry makes of a Redis that has older data than the processes, or lacks some."""

import pytest

from signaling.protocol.calls import Action, Leg, Role, State
from signaling.protocol.closing import Hold
from signaling.protocol.errors import CallNotFoundError
from signaling.protocol.limits import Limits
from signaling.registry.contract import CallLostError
from signaling.registry.memory import MemoryRegistry
from signaling.registry.outcomes import Ended, Joined, Owner
from signaling.registry.redis_leases import ENDED_SECONDS, QUIET_SECONDS
from signaling.registry.rules import new_connection_id
from signaling.registry.tests.both import CALL, TIMEOUTS, call, legs_of, online
from signaling.tests.stage import Clock, RedisProcess

ALICE = Leg("bob", Role.CALLER, State.ACTIVE)


async def lose(process: RedisProcess, *keys: str) -> None:
    for key in keys:
        assert await process.link.call("DEL", f"{process.layer.prefix}-registry:{key}")


async def test_call_that_redis_lost_on_the_way_is_restored(process: RedisProcess) -> None:
    alice, _ = await call(process.registry, State.ACTIVE)
    await lose(process, f"call:{CALL}", "calls:alice", "client:alice")
    assert await process.registry.restore("alice", alice, {CALL: ALICE}) == (Joined({CALL: ALICE}, []), [])
    await process.registry.advance(CALL, "bob", Action.CLOSE)


async def test_call_that_the_other_process_ended_lately_stays_ended(
    process: RedisProcess, other: RedisProcess, clock: Clock
) -> None:
    alice, _ = await call(process.registry, State.ACTIVE)
    await other.registry.advance(CALL, "bob", Action.CLOSE)
    await lose(process, "ended")
    await other.registry.end_again()
    assert await process.registry.restore("alice", alice, {CALL: ALICE}) == (Joined({}, []), [])
    clock.move(ENDED_SECONDS + 1)
    await other.registry.renew_lease(0)
    await lose(process, "ended")
    await other.registry.end_again()
    # It says nothing of calls that ended long ago.
    assert f"{process.layer.prefix}-registry:ended" not in await process.keys()


async def test_call_that_is_gone_for_longer_than_anybody_remembers_is_not_revived(
    process: RedisProcess, clock: Clock
) -> None:
    alice, _ = await call(process.registry, State.ACTIVE)
    await lose(process, f"call:{CALL}", "calls:alice")
    clock.move(ENDED_SECONDS)
    assert await process.registry.restore("alice", alice, {CALL: ALICE}) == (Joined({}, []), [])
    process.registry.has_lost_data = True
    assert await process.registry.restore("alice", alice, {CALL: ALICE}) == (Joined({CALL: ALICE}, []), [])


async def test_answer_that_redis_lost_is_restored(process: RedisProcess) -> None:
    alice, _ = await call(process.registry)
    assert await process.registry.restore("alice", alice, {CALL: ALICE}) == (Joined({CALL: ALICE}, []), [])
    assert (await process.registry.status()).active_calls == 1


async def test_call_that_only_redis_knows_ends_unless_it_may_be_on_its_way(process: RedisProcess) -> None:
    alice, bob = await call(process.registry)
    ringing = Leg("alice", Role.CALLEE, State.RINGING)
    assert await process.registry.restore("bob", bob, {}) == (Joined({CALL: ringing}, []), [])
    # Its own connection places it now.
    legs = {CALL: Leg("bob", Role.CALLER, State.RINGING)}
    assert (await process.registry.restore("alice", alice, legs, {CALL})).ended == []
    ended = [Ended(CALL, "peer_disconnected", ("bob",))]
    assert await process.registry.restore("alice", alice, {}) == (Joined({}, []), ended)


async def test_call_that_is_being_placed_is_not_opened_by_a_restore(process: RedisProcess) -> None:
    alice = await online(process.registry, "alice")
    await online(process.registry, "bob")
    legs = {CALL: Leg("bob", Role.CALLER, State.RINGING)}
    assert await process.registry.restore("alice", alice, legs, {CALL}) == (Joined({}, []), [])
    assert await process.registry.open_call(CALL, "alice", "bob") is None


async def test_newer_connection_takes_the_id_from_the_one_of_the_older_data(
    process: RedisProcess, other: RedisProcess
) -> None:
    older, newer = (Owner(new_connection_id(), f"channel.{number}") for number in (1, 2))
    await other.registry.claim("alice", older)
    await other.registry.join("alice", older)
    assert await process.registry.restore("alice", newer, {}) == (Joined({}, []), [])
    assert await other.registry.restore("alice", older, {}) == (None, [])
    assert await process.registry.processes() == {process.layer.process: 1, other.layer.process: 0}


async def test_clients_of_older_data_are_let_go(process: RedisProcess, other: RedisProcess) -> None:
    alice, _ = await call(process.registry, State.ACTIVE)
    ghost = await online(process.registry, "ghost")
    await process.registry.let_go([alice.connection_id], TIMEOUTS.hold_seconds)
    assert await other.registry.who_is_online(["alice", "bob", "ghost"]) == {"alice"}
    # Its call waits for it, as for everybody who drops.
    assert await legs_of(process.registry, alice, "alice") == {CALL: ALICE}
    assert await process.registry.release("ghost", ghost, [], hold=Hold.NONE) is None


async def test_sweeps_end_nothing_until_the_other_processes_have_been_there(
    process: RedisProcess, other: RedisProcess, clock: Clock
) -> None:
    alice, _ = await call(process.registry, State.ACTIVE)
    await process.registry.release("alice", alice, [], hold=Hold.FULL)
    clock.move(TIMEOUTS.hold_seconds)
    await other.link.stop()
    await other.link.start(other)
    await other.registry.renew_lease(0)
    await other.registry.let_go([], TIMEOUTS.hold_seconds)
    assert await other.registry.sweep() == []
    assert (await process.registry.restore("alice", alice, {CALL: ALICE})).joined == Joined({CALL: ALICE}, [])
    await process.registry.release("alice", alice, [], hold=Hold.FULL)
    clock.move(max(QUIET_SECONDS, TIMEOUTS.hold_seconds))
    assert await other.registry.sweep() == [Ended(CALL, "peer_disconnected", ("bob",))]


async def test_sweep_finds_out_that_redis_was_emptied_or_gave_the_process_up(process: RedisProcess) -> None:
    registry = process.registry
    await registry.sweep()
    assert not registry.is_behind
    await lose(process, "processes")
    await registry.sweep()
    assert registry.is_behind
    assert not registry.has_lost_data
    registry.is_behind = False
    await lose(process, "epoch")
    await registry.sweep()
    assert registry.is_behind
    assert registry.has_lost_data


async def test_older_data_of_the_same_epoch_are_a_loss(process: RedisProcess, clock: Clock) -> None:
    registry = process.registry
    await registry.sweep()
    before = await process.link.call("GET", f"{process.layer.prefix}-registry:swept")
    clock.move(2)
    await registry.sweep()
    await registry.prepare()
    assert not registry.has_lost_data
    await process.link.call("SET", f"{process.layer.prefix}-registry:swept", before)
    await registry.prepare()
    assert registry.has_lost_data


async def test_action_on_a_call_that_redis_lost_says_so(process: RedisProcess) -> None:
    registry = process.registry
    await call(registry, State.ACTIVE)
    await lose(process, f"call:{CALL}")
    with pytest.raises(CallLostError):
        await registry.advance(CALL, "alice", Action.CLOSE)
    registry.note_loss()
    assert registry.is_behind
    await registry.open_call("another-call-of-it", "alice", "bob")
    await registry.advance("another-call-of-it", "alice", Action.CLOSE)
    with pytest.raises(CallNotFoundError) as ended:
        await registry.advance("another-call-of-it", "alice", Action.CLOSE)
    assert not isinstance(ended.value, CallLostError)


def test_memory_loses_nothing(clock: Clock) -> None:
    MemoryRegistry(Limits(), TIMEOUTS, clock).note_loss()
