"""The queues of one connection: messages for its client that wait while it joins or leaves.

What the inbox of a connection holds is younger than what the send queue could not send, and younger than what the
registry held until the connection joined: both go in front of it.
"""

from collections.abc import Iterable

from signaling.delivery.events import Event


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
