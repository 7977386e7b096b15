"""A timer wheel: the deadlines of many items at the cost of one timer. The clock is passed in."""

from typing import Generic, TypeVar

Item = TypeVar("Item")


class Wheel(Generic[Item]):
    """Items by the tick of their deadline; a tick lasts `tick_seconds`."""

    def __init__(self, tick_seconds: float, now: float) -> None:
        self._tick_seconds = tick_seconds
        self._ticks: dict[int, set[Item]] = {}
        self._next = int(now / tick_seconds)

    def put(self, item: Item, deadline: float) -> int:
        """Add an item, and return its tick, which `remove` asks for; the item is never due before its deadline."""
        tick = max(int(deadline / self._tick_seconds) + 1, self._next)
        self._ticks.setdefault(tick, set()).add(item)
        return tick

    def remove(self, item: Item, tick: int) -> None:
        """Remove an item from its tick, if it is there."""
        items = self._ticks.get(tick)
        if items is not None:
            items.discard(item)
            if not items:
                del self._ticks[tick]

    def due(self, now: float) -> list[Item]:
        """Remove and return every item whose deadline has passed."""
        due: list[Item] = []
        current = int(now / self._tick_seconds)
        while self._next <= current:
            due.extend(self._ticks.pop(self._next, ()))
            self._next += 1
        return due
