"""The records that the registry of a single process keeps: of a client, a call, an address."""

import itertools
import operator
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

    Names that wait equally long are in one dict, in the order of their deadlines. Of a deadline that is taken back
    nothing stays: a heap would keep it until its time, a minute of calls on a busy server.
    """

    def __init__(self) -> None:
        self._by_seconds: dict[float, dict[str, float]] = {}

    def set(self, name: str, now: float, seconds: float) -> None:
        """Give `name` a deadline in so many seconds from now, its only one."""
        self.discard(name)
        self._by_seconds.setdefault(seconds, {})[name] = now + seconds

    def discard(self, name: str) -> None:
        """Take a deadline back, if there is one."""
        for deadlines in self._by_seconds.values():
            deadlines.pop(name, None)

    def due(self, now: float) -> list[str]:
        """Take out the names whose deadline has come, the earliest first; of one moment, as in Redis, by name."""
        due: list[tuple[str, float]] = []
        for deadlines in self._by_seconds.values():
            due += itertools.takewhile(lambda one: one[1] <= now, deadlines.items())
        due.sort(key=operator.itemgetter(1, 0))
        for name, _ in due:
            self.discard(name)
        return [name for name, _ in due]

    def __contains__(self, name: str) -> bool:
        return any(name in deadlines for deadlines in self._by_seconds.values())

    def __iter__(self) -> Iterator[str]:
        return itertools.chain.from_iterable(self._by_seconds.values())

    def __len__(self) -> int:
        return sum(map(len, self._by_seconds.values()))


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
