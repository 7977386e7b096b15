"""What waits to be written to one client.

What the inbox of a connection holds is younger than what the send queue could not send, and younger than what the
registry held until the connection joined: both go in front of it. What is unproved was written before all of them.
"""

from collections.abc import Iterable, Iterator

from signaling.delivery.events import Event


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
