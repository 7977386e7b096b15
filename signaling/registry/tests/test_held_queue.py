"""What waits for a client: the held queue."""

import pytest

from signaling.delivery.events import Event
from signaling.protocol.calls import (
    HELD_BYTES,
    HELD_MESSAGES,
    Leg,
    Role,
    State,
)
from signaling.protocol.closing import Hold
from signaling.protocol.errors import (
    RateLimitedError,
)
from signaling.registry.contract import (
    Joined,
    Registry,
)
from signaling.registry.tests.both import CALL, Stage, call, held_by, owner_of
from signaling.tests.stage import change, message


async def test_hold_for_an_unknown_client_is_refused(stage: Stage) -> None:
    assert not await stage.registry.hold("nobody", message("frame"))
    assert await stage.left() == set()


async def test_hold_keeps_the_order(registry: Registry) -> None:
    alice, _ = await call(registry)
    await registry.release("alice", alice, [], hold=Hold.FULL)
    frames = [f"frame {number}" for number in range(50)]
    for frame in frames:
        assert await registry.hold("alice", message(frame))
    assert await held_by(registry, "alice") == frames


async def test_hold_puts_strays_before_what_was_held(registry: Registry) -> None:
    alice, _ = await call(registry)
    await registry.hold("alice", message("third"))
    await registry.hold("alice", message("fourth"))
    await registry.release("alice", alice, [message("first"), message("second")], hold=Hold.FULL)
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
    await registry.release("alice", alice, [], hold=Hold.FULL)
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
    await registry.release("alice", alice, [], hold=Hold.FULL)
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
    await registry.release("alice", alice, [most], hold=Hold.FULL)
    with pytest.raises(RateLimitedError):
        await registry.hold("alice", message("x"))
    again = owner_of("alice", 2)
    await registry.claim("alice", again)
    await registry.join("alice", again)
    await registry.release("alice", again, [], hold=Hold.FULL)
    assert await registry.hold("alice", most)
