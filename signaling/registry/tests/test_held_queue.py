"""What waits for a client: the held queue."""

import pytest

from signaling.delivery.events import Event
from signaling.protocol.calls import (
    HELD_BYTES,
    HELD_MESSAGES,
    Action,
    Leg,
    Role,
    State,
)
from signaling.protocol.closing import Hold
from signaling.protocol.errors import (
    RateLimitedError,
)
from signaling.registry.contract import Registry
from signaling.registry.outcomes import Joined, Released
from signaling.registry.tests.both import CALL, Stage, arrives_late, call, candidate, changed, held_by, owner_of
from signaling.tests.stage import change, message


def ended(frame: str) -> Event:
    """Make the end of a call that is gone."""
    return message(frame) | {"changes": ["another-call-of-this-test", "", ""]}


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
    alice, _ = await call(registry, State.ACTIVE)
    event: Event = change("frame") | {"changes": [CALL, "active", "bob"], "frame": "\u00e9\U0001f600 frame"}
    await registry.hold("alice", event)
    assert await registry.join("alice", alice) == Joined({CALL: Leg("bob", Role.CALLER, State.ACTIVE)}, [event])
    joined = await registry.join("alice", alice)
    assert joined is not None
    assert joined.held == []


async def test_hold_waits_between_claim_and_join(registry: Registry) -> None:
    owner = owner_of("alice")
    await registry.claim("alice", owner)
    assert await registry.hold("alice", message("early"))
    joined = await registry.join("alice", owner)
    assert joined == Joined({}, [message("early")])


async def test_copies_of_a_caller_are_held_beyond_the_bounds(registry: Registry) -> None:
    alice, _ = await call(registry)
    copies = {"type": "client.copies", "frame": "", "copies": {CALL: ["ring", "candidate"]}}
    await registry.release("alice", alice, [copies, *[candidate(CALL)] * HELD_MESSAGES], hold=Hold.FULL)
    owner = owner_of("alice", 2)
    await registry.claim("alice", owner)
    joined = await registry.join("alice", owner)
    assert joined is not None
    assert (len(joined.held), joined.held[0]) == (HELD_MESSAGES, copies)


async def test_candidates_beside_a_ring_count(registry: Registry) -> None:
    _, bob = await call(registry)
    await registry.release("bob", bob, [], hold=Hold.FULL)
    ring = changed(CALL, "ringing") | {"candidates": ["x" * (HELD_BYTES // 2), "x" * (HELD_BYTES // 2)]}
    assert await registry.hold("bob", ring)
    with pytest.raises(RateLimitedError):
        await registry.hold("bob", message("x"))


async def test_hold_refuses_more_messages_than_may_wait(registry: Registry) -> None:
    alice, _ = await call(registry)
    await registry.release("alice", alice, [], hold=Hold.FULL)
    for number in range(HELD_MESSAGES):
        await registry.hold("alice", message(str(number)))
    with pytest.raises(RateLimitedError) as refused:
        await registry.hold("alice", message("one more"))
    assert refused.value.retry_after_seconds
    assert await registry.hold("alice", ended("needed"))
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
    assert await registry.hold("alice", ended("needed"))
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


async def test_hold_leaves_out_what_has_become_pointless(registry: Registry) -> None:
    _, bob = await call(registry)
    await registry.open_call(other := "another-call-of-it", "alice", "bob")
    events = [candidate(CALL, "one"), candidate(other, "two"), changed(CALL, ""), candidate(other, "three")]
    strays = [changed(CALL, "ringing"), changed(other, "ringing")]
    await registry.release("bob", bob, strays, hold=Hold.FULL)
    for event in events[:2]:
        await registry.hold("bob", event)
    await registry.advance(CALL, "alice", Action.CLOSE)
    for event in events[2:]:
        await registry.hold("bob", event)
    assert await held_by(registry, "bob") == [event["frame"] for event in (strays[1], *events[1:])]


async def test_release_drops_the_oldest_candidates_and_no_change(registry: Registry) -> None:
    alice, _ = await call(registry)
    await registry.hold("alice", message("newest"))
    candidates = [message(f"{number}") for number in range(HELD_MESSAGES)]
    strays = [changed(CALL, "ringing"), *candidates, ended("needed")]
    released = await registry.release("alice", alice, strays, hold=Hold.FULL)
    assert released == Released(dropped=3)
    await registry.advance(CALL, "bob", Action.ANSWER)
    with pytest.raises(RateLimitedError):
        await registry.hold("alice", message("one more"))
    frames = await held_by(registry, "alice")
    assert frames == [*map(str, range(3, HELD_MESSAGES)), "needed", "newest"]


async def test_release_drops_what_is_too_long_to_wait(registry: Registry) -> None:
    alice, _ = await call(registry)
    strays = [message("\u00e9" * 50_000 + str(number)) for number in range(5)]
    released = await registry.release("alice", alice, strays, hold=Hold.FULL)
    assert released == Released(dropped=3)
    assert await registry.hold("alice", message("x" * (HELD_BYTES - 200_002)))
    with pytest.raises(RateLimitedError):
        await registry.hold("alice", message("x"))
    assert (await held_by(registry, "alice"))[:2] == [stray["frame"] for stray in strays[3:]]


async def test_late_events_are_held_where_they_say_what_is_so(stage: Stage) -> None:
    registry = stage.registry
    _, bob = await call(registry)
    for number in range(3):
        await registry.open_call(f"{CALL}-{number}", "alice", "bob")
    await registry.advance(f"{CALL}-1", "bob", Action.ANSWER)
    await registry.advance(f"{CALL}-2", "bob", Action.REJECT)
    await registry.release("bob", bob, [message("newer")], hold=Hold.FULL)
    events = [
        event
        for number in range(3)
        for event in (changed(f"{CALL}-{number}", "ringing"), candidate(f"{CALL}-{number}", "late"))
    ]
    ends = [changed(f"{CALL}-{number}", "") for number in (0, 2)]
    await arrives_late(registry, "bob", events)
    await arrives_late(registry, "bob", ends)
    left = [*events[:2], events[3], ends[1]]
    assert await held_by(registry, "bob") == ["newer", *(event["frame"] for event in left)]
    await arrives_late(registry, "nobody", [changed(CALL, "")])
    assert await registry.who_is_online(["nobody"]) == set()


async def test_late_events_are_held_as_far_as_there_is_room(registry: Registry) -> None:
    _, bob = await call(registry)
    await registry.release("bob", bob, [message("")] * (HELD_MESSAGES - 1), hold=Hold.FULL)
    events = [candidate(CALL, "fits"), candidate(CALL, "does not"), changed(CALL, "ringing")]
    await arrives_late(registry, "bob", events)
    assert (await held_by(registry, "bob"))[-2:] == [events[0]["frame"], events[2]["frame"]]
