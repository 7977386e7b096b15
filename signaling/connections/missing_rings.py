"""Asks callers' connections for the rings that a callee lost with the process that had them.

How it works
------------
A callee that joins has a call that rings, and neither what was held for it nor its inbox has the ring: the process
that would have handed it over was killed. Before `REGISTERED` is sent, its connection asks the caller's for its copy,
through the group of the caller's ID, or through what is held for the caller while it is away. The answer comes on the
road of all messages from the caller: one event with the ring and the candidates so far. Some of these may have come by
themselves meanwhile; `spread` puts in what is missing, in the order in which the caller sent it.

A caller that has no copy says so. An answer that comes too late rings all the same.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

from signaling.connections.copies import Caller, read_ring
from signaling.connections.legs import ringing_here
from signaling.connections.relay import Relay
from signaling.delivery.events import GONE, MESSAGE, NO_RING, RING_ASKED, Event, changing, group_of
from signaling.protocol.calls import Leg, State
from signaling.protocol.errors import ProtocolError, UnavailableError
from signaling.registry.held import call_of
from signaling.registry.outcomes import Owner
from signaling.telemetry.counters import counters
from turn.ice import ice_servers_for_call

# How long REGISTERED waits for a caller's connection that was reached: less than a newer connection waits for this one.
ANSWER_SECONDS = 1.0


class Asked(Caller, Protocol):
    """The connection of a caller."""

    owner: Owner
    relay: Relay


def without_ring(legs: Mapping[str, Leg], events: Iterable[Event]) -> list[str]:
    """Return the calls that ring at a client and whose ring is not among `events`."""
    calls = ringing_here(legs)
    if not calls:
        return []
    rung = {event["changes"][0] for event in events if is_ring(event)}
    return [call_id for call_id in legs if call_id in calls - rung]


def is_ring(event: Event) -> bool:
    """Return whether an event makes a call ring."""
    return event["type"] == MESSAGE and "changes" in event and bool(event["changes"][1] == State.RINGING)


def is_end(event: Event) -> bool:
    """Return whether an event ends a call."""
    return event["type"] == MESSAGE and "changes" in event and bool(event["changes"][1] == GONE)


class MissingRings:
    """The calls whose rings a connection that joins waits for."""

    __slots__ = ("_awaited", "_is_over")

    def __init__(self, calls: Iterable[str]) -> None:
        self._awaited = dict.fromkeys(calls)
        self._is_over = asyncio.Event()

    async def ask(self, relay: Relay, channel: str, legs: Mapping[str, Leg]) -> None:
        """Ask the callers of the calls, of which these are the legs, and wait for the answers; some may come later."""
        for call_id in tuple(self._awaited):
            ask = {"type": RING_ASKED, "frame": "", "call": call_id, "sender": channel}
            try:
                is_reached = await relay.layer.group_send(group_of(legs[call_id].peer), ask) > 0
                if not is_reached:
                    # It answers when it is back; or there is no room for what waits for it.
                    await relay.registry.hold(legs[call_id].peer, ask)
            except ProtocolError:
                is_reached = False
            if not is_reached:
                self.note(call_id)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._is_over.wait()

    def note(self, call_id: Any) -> None:
        """Wait no longer for the ring of a call: it is here, or there is none."""
        self._awaited.pop(call_id, None)
        if not self._awaited:
            self._is_over.set()


def answer(caller: Asked, ask: Event) -> None:
    """Relay the copy of a call's ring to its callee, if `caller` has one; whoever asks hears no more than that."""
    call_id, relay = ask["call"], caller.relay
    frames = relay.copies.frames(caller, call_id)
    if not frames:
        relay.run(_deny(relay, ask))
        return
    callee = caller.legs[call_id].peer
    incoming = read_ring(frames[0])
    incoming.ice_servers = counters.count_minted(ice_servers_for_call(callee))
    event = changing(incoming, call_id, State.RINGING, incoming.caller_id) | {"candidates": list(frames[1:])}
    outcome = relay.post(callee, event, caller.owner.channel)
    if outcome is not None:
        relay.run(relay.see_through(callee, event, outcome))


async def _deny(relay: Relay, ask: Event) -> None:
    with contextlib.suppress(UnavailableError):
        await relay.layer.send(ask["sender"], {"type": NO_RING, "call": ask["call"]})


def spread(events: Sequence[Event], ringing: Collection[str], written: Sequence[Event]) -> list[Event]:
    """Replace callers' answers among `events` by what is missing of them, behind nothing that the caller sent later.

    What a call has in front of its answer came by itself, and `written` was sent to the client before; of calls that
    are not among `ringing` nothing is left.
    """
    out: list[Event] = []
    for event in events:
        if "candidates" not in event:
            out.append(event)
        elif event["changes"][0] in ringing:
            _put_in(out, event, written)
    return out


def _put_in(out: list[Event], answer: Event, written: Sequence[Event]) -> None:
    call_id = answer["changes"][0]
    before = len(written)
    about = [(place, event) for place, event in enumerate([*written, *out], -before) if call_of(event) == call_id]
    # Up to an end it is about an earlier call of the same ID.
    end = max((place for place, event in about if is_end(event)), default=-before - 1)
    had = [event for place, event in about if place > end]
    if any(map(is_ring, had)):
        return
    came = Counter(event["frame"] for event in had)
    missing: list[Event] = []
    # What came is the end of what was sent.
    for frame in reversed(answer["candidates"]):
        if came[frame]:
            came[frame] -= 1
        else:
            missing.append({"type": MESSAGE, "frame": frame})
    missing.append({"type": MESSAGE, "frame": answer["frame"], "changes": answer["changes"]})
    place = next((place for place, _ in about if place > end and place >= 0), len(out))
    out[place:place] = missing[::-1]
