"""What of the events for a client that was away is delivered (PROTOCOL.md, "Taken is delivered"). Pure: no I/O.

`release.lua` and `late.lua` are the same rules in Redis' own step; the tests of both registries hold them together.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from signaling.delivery.events import GONE, MESSAGE, Event, is_needed, size_of
from signaling.protocol.calls import HELD_BYTES, HELD_MESSAGES, Leg, Role
from signaling.protocol.decoding import named_in


class Notice(NamedTuple):
    """An event, the call that it is about ("": none), and the call's state after it (None: it is a candidate)."""

    event: Event
    call_id: str
    state: str | None


def fitting(strays: Sequence[Event], messages: int, size: int) -> list[Event]:
    """Return those of `strays` that fit in front of a held queue of so many messages and bytes.

    Every change of a call does; candidates are left out from the oldest on.
    """
    needed = [event for event in strays if is_needed(event)]
    messages, size = messages + len(needed), size + sum(map(size_of, needed))
    kept, has_room = [], True
    for event in reversed(strays):
        if not is_needed(event):
            has_room = has_room and messages < HELD_MESSAGES and size + size_of(event) <= HELD_BYTES
            if not has_room:
                continue
            messages, size = messages + 1, size + size_of(event)
        kept.append(event)
    return kept[::-1]


def not_overtaken(events: Iterable[Event]) -> list[Notice]:
    """Leave out what a later one of `events` makes pointless; an end of a call never is.

    Before an end that is everything else about its call, before another change each earlier change.
    """
    changed: set[str] = set()
    ended: set[str] = set()
    left = []
    for event in reversed(list(events)):
        notice = _notice_of(event)
        if notice.state != GONE and notice.call_id in (ended if notice.state is None else changed):
            continue
        left.append(notice)
        if notice.state is not None:
            changed.add(notice.call_id)
        if notice.state == GONE:
            ended.add(notice.call_id)
    return left[::-1]


def to_hand_over(held: Iterable[Event], legs: Mapping[str, Leg]) -> list[Event]:
    """Return those of a client's held events that are not pointless, now that its calls are `legs`."""
    return [
        notice.event
        for notice in not_overtaken(held)
        if is_as_it_is(notice, legs) or (notice.state == GONE and legs[notice.call_id].role is Role.CALLEE)
    ]


def is_as_it_is(notice: Notice, legs: Mapping[str, Leg]) -> bool:
    """Return whether an event is a candidate of a call that stands, or says of its call what is so now.

    Of a call that stands, the end is one of an earlier call of the same ID. A callee hears of both; a caller that
    placed the call anew would take it for the end of that.
    """
    leg = legs.get(notice.call_id)
    if not notice.call_id:
        return True
    if notice.state is None:
        return leg is not None
    return notice.state == (GONE if leg is None else leg.state)


def call_of(event: Event) -> str:
    """Return the ID of the call that an event is about; "" when it is about none."""
    return _notice_of(event).call_id


def _notice_of(event: Event) -> Notice:
    if event["type"] != MESSAGE:
        # It is for the connection; or of another version, and its receiver returns it to its sender.
        return Notice(event, "", None)
    if "changes" in event:
        call_id, state, _ = event["changes"]
        return Notice(event, call_id, state)
    if "call" in event:
        return Notice(event, event["call"], None)
    # Of 0.1.0, which does not say it.
    _, named = named_in(event["frame"])
    return Notice(event, named if isinstance(named, str) else "", None)
