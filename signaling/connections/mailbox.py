"""The queues of one connection: what was written and is not proved to have been read, and what waits to be written.

What the inbox of a connection holds is younger than what the send queue could not send, and younger than what the
registry held until the connection joined: both go in front of it. What is unproved was written before all of them.
"""

from collections.abc import Iterable

from signaling.delivery.events import Event, is_needed, size_of


class Inbox:
    """The events of the channel layer that came to one connection while it could not write them."""

    __slots__ = ("_events",)

    def __init__(self) -> None:
        self._events: list[Event] = []

    def hold(self, event: Event) -> None:
        """Add an event behind all others."""
        self._events.append(event)

    def hold_first(self, events: Iterable[Event]) -> None:
        """Add events in front of all others, in their own order."""
        self._events[:0] = events

    def empty(self) -> list[Event]:
        """Take out all events, oldest first."""
        events, self._events = self._events, []
        return events


class Unproved:
    """The relayed events that were written to one connection, and that its client has not proved to have read.

    A ping is written behind them, and its pong proves all that came before it. `size` is what the frames of `events`
    count; whoever adds one adds to it.
    """

    __slots__ = ("_asked", "_asked_at", "_first_candidate", "_payload", "events", "size")

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.size = 0
        # Of the ping that is under way: its payload, when it was sent, and how many of the events it came after.
        self._payload: bytes | None = None
        self._asked_at = 0.0
        self._asked = 0
        # No candidate is in front of this place.
        self._first_candidate = 0

    @property
    def asked_at(self) -> float | None:
        """Return when the ping that is under way was sent; None when there is none."""
        return None if self._payload is None else self._asked_at

    def ask(self, payload: bytes, now: float) -> None:
        """Note a ping that was written behind all events."""
        self._payload, self._asked_at, self._asked = payload, now, len(self.events)

    def prove(self, payload: bytes) -> bool:
        """Remove what was written before the ping, if this is the payload of its pong; returns whether it is."""
        if payload != self._payload:
            return False
        asked, self._payload = self._asked, None
        self.size = sum(map(size_of, self.events[asked:]))
        del self.events[:asked]
        self._first_candidate = max(self._first_candidate - asked, 0)
        return True

    def drop_candidate(self) -> bool:
        """Remove the oldest candidate; returns False when there is none."""
        for place in range(self._first_candidate, len(self.events)):
            if not is_needed(self.events[place]):
                self._first_candidate = place
                self.size -= size_of(self.events.pop(place))
                self._asked -= place < self._asked
                return True
        self._first_candidate = len(self.events)
        return False

    def empty(self) -> list[Event]:
        """Take out all events, oldest first."""
        events, self.events, self.size = self.events, [], 0
        return events
