"""Keeps a copy of what rings elsewhere, for its callers: each call's ring and its candidates so far.

How it works
------------
The callee's connection keeps what rings as well (`proofs`), and hands it to the callee's next one. Where its process
died, this copy is all that is left: `missing_rings` asks for it. A copy lives until its call is answered or ends, and
moves with its caller (`handover`). A connection has an entry here only while a call of its client rings.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec
from msgspec import Struct

from signaling.connections.legs import rings_elsewhere
from signaling.connections.room import Room
from signaling.delivery.events import COPIES, Event
from signaling.protocol.calls import Leg
from signaling.protocol.fields import bytes_of
from signaling.protocol.server_messages import IncomingCall
from signaling.telemetry.counters import counters

# What the copies of one client may take; candidates beyond are not kept.
COPY_BYTES = 512 * 1024


class _RingFrame(Struct, gc=False):
    payload: IncomingCall


_rings = msgspec.json.Decoder(_RingFrame)


def read_ring(frame: str) -> IncomingCall:
    """Read the message of a copy's first frame."""
    return _rings.decode(frame).payload


class Caller(Protocol):
    """A connection."""

    legs: dict[str, Leg]
    # Whether it gives its client ID back.
    is_leaving: bool


class _Kept:
    """The copies of one connection: of each call the frames, the ring first."""

    __slots__ = ("calls", "size")

    def __init__(self) -> None:
        self.calls: dict[str, list[str]] = {}
        self.size = 0


class Copies:
    """The copies of this process' connections, which share `room` with what is unproved."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._kept: dict[Caller, _Kept] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def keep_ring(self, caller: Caller, call_id: str, frame: str) -> None:
        """Begin the copy of a call that is placed; an earlier call of the same ID is over."""
        if caller.is_leaving:
            return
        self.free(caller, call_id)
        kept = self._kept.get(caller)
        if kept is None:
            kept = self._kept[caller] = _Kept()
        kept.calls[call_id] = [frame]
        self._count(kept, bytes_of(frame))

    def keep_candidate(self, caller: Caller, call_id: str, frame: str) -> None:
        """Add a candidate to the copy of its call, if there is one and room."""
        kept = self._kept.get(caller)
        if kept is None or call_id not in kept.calls:
            return
        size = bytes_of(frame)
        if kept.size + size > COPY_BYTES or not self._room.has(size):
            counters.messages_not_kept += 1
            return
        kept.calls[call_id].append(frame)
        self._count(kept, size)

    def drop_candidate(self, caller: Caller, call_id: str, frame: str) -> None:
        """Remove a candidate that was refused to its sender, which sends it again."""
        kept = self._kept.get(caller)
        frames = [] if kept is None else kept.calls.get(call_id, [])
        if kept is not None and frame in frames[1:]:
            frames.remove(frame)
            self._count(kept, -bytes_of(frame))

    def free(self, caller: Caller, call_id: str) -> None:
        """Remove the copy of a call that was answered or has ended, if there is one."""
        kept = self._kept.get(caller)
        frames = None if kept is None else kept.calls.pop(call_id, None)
        if kept is None or frames is None:
            return
        self._count(kept, -sum(map(bytes_of, frames)))
        if not kept.calls:
            del self._kept[caller]

    def sweep(self) -> None:
        """Remove the copies of calls that ring no more, whatever ended them."""
        for caller, kept in tuple(self._kept.items()):
            ringing = () if caller.is_leaving else rings_elsewhere(caller.legs)
            for call_id in [one for one in kept.calls if one not in ringing]:
                self.free(caller, call_id)

    def frames(self, caller: Caller, call_id: str) -> Sequence[str]:
        """Return a call's ring and its candidates; nothing when there is no copy, or the call rings no more."""
        kept = self._kept.get(caller)
        if kept is None or call_id not in rings_elsewhere(caller.legs):
            return ()
        return kept.calls.get(call_id, ())

    def take(self, caller: Caller) -> Iterable[Event]:
        """Remove the copies of a connection; returns the event that carries those of calls that ring, if any."""
        kept = self._kept.pop(caller, None)
        if kept is None:
            return ()
        self._room.size -= kept.size
        ringing = rings_elsewhere(caller.legs)
        copies = {call_id: frames for call_id, frames in kept.calls.items() if call_id in ringing}
        return ({"type": COPIES, "frame": "", "copies": copies},) if copies else ()

    def restore(self, caller: Caller, copies: Mapping[str, Sequence[str]]) -> None:
        """Keep what an earlier connection of the client kept of its calls that ring."""
        for call_id in copies.keys() & rings_elsewhere(caller.legs):
            ring, *candidates = copies[call_id]
            self.keep_ring(caller, call_id, ring)
            for frame in candidates:
                self.keep_candidate(caller, call_id, frame)

    def _count(self, kept: _Kept, size: int) -> None:
        kept.size += size
        self._room.size += size
