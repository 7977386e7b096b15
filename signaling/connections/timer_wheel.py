"""Deadlines of many connections at the cost of one: a timer wheel. The clock is passed in."""

from typing import Generic, TypeVar

Item = TypeVar("Item")


class Wheel(Generic[Item]):
    """Items by the tick of their deadline; a tick is `tick_seconds` long."""

    def __init__(self, tick_seconds: float, now: float) -> None:
        self._tick_seconds = tick_seconds
        self._ticks: dict[int, set[Item]] = {}
        self._next = int(now / tick_seconds)

    def put(self, item: Item, deadline: float) -> int:
        """Add an item; returns the tick that `remove` asks for. A deadline is never early."""
        tick = max(int(deadline / self._tick_seconds) + 1, self._next)
        self._ticks.setdefault(tick, set()).add(item)
        return tick

    def remove(self, item: Item, tick: int) -> None:
        """Take an item out of its tick; nothing happens when it is not there."""
        items = self._ticks.get(tick)
        if items is not None:
            items.discard(item)
            if not items:
                del self._ticks[tick]

    def due(self, now: float) -> list[Item]:
        """Take out every item whose deadline has passed."""
        due: list[Item] = []
        current = int(now / self._tick_seconds)
        while self._next <= current:
            due.extend(self._ticks.pop(self._next, ()))
            self._next += 1
        return due
