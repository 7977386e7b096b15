"""The queues of one connection: what was written and is not proved to have been read, and what waits to be written.

What the inbox of a connection holds is younger than what the send queue could not send, and younger than what the
registry held until the connection joined: both go in front of it. What is unproved was written before all of them.
"""

from collections.abc import Container, Iterable, Iterator

from signaling.delivery.events import Event, is_end, is_needed, size_of
from signaling.protocol.calls import State
from signaling.registry.held import call_of


class Inbox:
    """The events of the channel layer that came to one connection while it could not write them."""

    __slots__ = ("_events",)

    def __init__(self) -> None:
        self._events: list[Event] = []

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events)

    def hold(self, event: Event) -> None:
        """Add an event behind all others."""
        self._events.append(event)

    def hold_first(self, events: Iterable[Event]) -> None:
        """Add events in front of all others, in their own order; those that are in it already stay where they are."""
        there = set(map(id, self._events))
        self._events[:0] = [event for event in events if id(event) not in there]

    def empty(self) -> list[Event]:
        """Take out all events, oldest first."""
        events, self._events = self._events, []
        return events


class Unproved:
    """The relayed events that were written to one connection, and that its client has not proved to have read.

    A ping is written behind them, and its pong proves all that came before it. Those of calls that ring stay in
    `ringing`, each with its call, although they are proved. `size` is what the frames of all count; whoever adds one
    adds to it.
    """

    __slots__ = ("_asked", "_asked_at", "_first_candidate", "_payload", "events", "ringing", "size")

    def __init__(self) -> None:
        self.ringing: list[tuple[str, Event]] = []
        self.events: list[Event] = []
        self.size = 0
        # Of the ping that is under way: its payload, when it was sent, and how many of the events it came after.
        self._payload: bytes | None = None
        self._asked_at = 0.0
        self._asked = 0
        # No candidate is in front of this place.
        self._first_candidate = 0

    def __bool__(self) -> bool:
        return bool(self.ringing or self.events)

    @property
    def asked_at(self) -> float | None:
        """Return when the ping that is under way was sent; None when there is none."""
        return None if self._payload is None else self._asked_at

    def ask(self, payload: bytes, now: float) -> None:
        """Note a ping that was written behind all events."""
        self._payload, self._asked_at, self._asked = payload, now, len(self.events)

    def prove(self, payload: bytes) -> list[Event] | None:
        """Remove what was written before the ping, and return it, if this is the payload of its pong."""
        if payload != self._payload:
            return None
        self._payload = None
        return self.remove(self._asked)

    def remove(self, count: int) -> list[Event]:
        """Remove so many of the oldest events, and return them."""
        proved = self.events[:count]
        del self.events[:count]
        self._first_candidate = max(self._first_candidate - count, 0)
        # Mostly it is all that there is, and needs no counting.
        self.size = 0 if not self else self.size - sum(map(size_of, proved))
        return proved

    def keep_ringing(self, events: Iterable[Event], calls: Container[str]) -> None:
        """Keep those of events that are proved that are about one of these calls, and of earlier ones."""
        found = [*self.ringing, *((call_of(event), event) for event in events)] if calls else []
        before, self.ringing = self.ringing, [one for one in found if one[0] in calls]
        self.size += sum(size_of(event) for _, event in self.ringing) - sum(size_of(event) for _, event in before)

    def forget(self, call_id: str) -> None:
        """Remove what is about a call that has ended; its end itself is still to be proved."""
        places = [
            place for place, event in enumerate(self.events) if event.get("call") == call_id and not is_end(event)
        ]
        for place in reversed(places):
            self.size -= size_of(self.events.pop(place))
            self._asked -= place < self._asked
        self._first_candidate = 0

    def has_rung(self, call_id: str) -> bool:
        """Return whether the ring of a call is here."""
        rings = (event for event in (*self.events, *(event for _, event in self.ringing)))
        return any(event.get("changes", ())[:2] == [call_id, State.RINGING] for event in rings)

    def drop_candidate(self) -> bool:
        """Remove the oldest candidate; returns False when there is none."""
        for place, (_, event) in enumerate(self.ringing):
            if not is_needed(event):
                self.size -= size_of(event)
                del self.ringing[place]
                return True
        for place in range(self._first_candidate, len(self.events)):
            if not is_needed(self.events[place]):
                self._first_candidate = place
                self.size -= size_of(self.events.pop(place))
                self._asked -= place < self._asked
                return True
        self._first_candidate = len(self.events)
        return False
