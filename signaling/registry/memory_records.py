"""The records that the registry of a single process keeps: of a client, a call, an address."""

import heapq
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from signaling.delivery.events import Event, size_of
from signaling.protocol.calls import Leg
from signaling.protocol.limits import Limits, SlidingWindows
from signaling.registry.outcomes import Owner
from signaling.registry.rules import ARRIVALS_SECONDS


class Call(NamedTuple):
    """An open call; its state is in the legs of its participants. `is_chosen` says that the caller chose its ID."""

    participants: tuple[str, str]
    opened_at: float
    is_chosen: bool


class Client:
    """A client ID's owner, calls and held messages; `successor` is the channel of the connection that waits for it."""

    __slots__ = ("held", "held_bytes", "identity", "legs", "owner", "successor")

    def __init__(self) -> None:
        self.owner: Owner | None = None
        self.successor: str | None = None
        # The one that the owner was checked against.
        self.identity = ""
        self.legs: dict[str, Leg] = {}
        self.held: deque[Event] | None = None
        self.held_bytes = 0

    def hold(self, event: Event, *, is_first: bool = False) -> None:
        """Put an event into the held queue: at its end, or at its beginning."""
        if self.held is None:
            self.held = deque()
        if is_first:
            self.held.appendleft(event)
        else:
            self.held.append(event)
        self.held_bytes += size_of(event)


class Deadlines:
    """Names, each with a deadline that may be taken back, in seconds.

    A heap, as not all wait equally long. What was taken back stays in it until its time, and is then passed over.
    """

    def __init__(self) -> None:
        self._deadlines: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []

    def set(self, name: str, deadline: float) -> None:
        """Give `name` a deadline, its only one."""
        self._deadlines[name] = deadline
        heapq.heappush(self._heap, (deadline, name))

    def discard(self, name: str) -> None:
        """Take a deadline back, if there is one."""
        self._deadlines.pop(name, None)

    def due(self, now: float) -> list[str]:
        """Take out the names whose deadline has come, the earliest first."""
        due = []
        while self._heap and self._heap[0][0] <= now:
            deadline, name = heapq.heappop(self._heap)
            if self._deadlines.get(name) == deadline:
                del self._deadlines[name]
                due.append(name)
        return due

    def __contains__(self, name: str) -> bool:
        return name in self._deadlines

    def __iter__(self) -> Iterator[str]:
        return iter(self._deadlines)

    def __len__(self) -> int:
        return len(self._deadlines)


class Addresses:
    """Counts the open connections of each address, and those of the last minute."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._connections: Counter[str] = Counter()
        self._arrivals = SlidingWindows(ARRIVALS_SECONDS)

    def admit(self, address: str, limits: Limits) -> bool:
        """Count a connection from `address`; return False when it has too many, open or new."""
        if limits.connections_per_ip and self._connections[address] >= limits.connections_per_ip:
            return False
        if self._arrivals.consume(address, self._clock(), limits.new_connections_per_ip_per_minute):
            return False
        self._connections[address] += 1
        return True

    def depart(self, address: str) -> None:
        """Count a connection from `address` as closed."""
        self._connections[address] -= 1
        if self._connections[address] <= 0:
            del self._connections[address]

    def sweep(self, now: float) -> None:
        """Forget the addresses without a new connection in the last minute, once a minute."""
        self._arrivals.sweep(now)

    def total(self) -> int:
        """Count the open connections of all addresses."""
        return self._connections.total()
