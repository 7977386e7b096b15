"""The bans that a process knows: looked up at each REGISTER and opening handshake, without asking anybody.

Times are unix seconds. A ban ends by itself, at its time; nothing has to run for that.
"""

import heapq
from collections.abc import Iterable
from typing import Any, NamedTuple

from bans.networks import BITS, NOWHERE, number_of, parse, prefix_of


class Row(NamedTuple):
    """A ban as the database has it, of a client ID or of a network; the other one is empty."""

    number: int
    client_id: str
    network: str
    ends_at: float
    is_lifted: bool = False


# The number of a ban, and when it ends; several may be about the same.
Ends = dict[int, float]


class BanTable:
    """The bans in force, by client ID and by network."""

    def __init__(self) -> None:
        self._clients: dict[str, Ends] = {}
        # By the length of the prefix: as many look-ups as there are different ones.
        self._networks: dict[int, dict[int, Ends]] = {}
        self._rows: dict[int, Row] = {}
        self._next_to_end: list[tuple[float, int]] = []

    @property
    def clients(self) -> int:
        """Return how many client IDs are banned."""
        return len(self._clients)

    @property
    def networks(self) -> int:
        """Return how many networks are banned."""
        return sum(map(len, self._networks.values()))

    def apply(self, rows: Iterable[Row], now: float) -> list[Row]:
        """Note bans, drop those that were lifted or have ended, and return those that are new here."""
        new = []
        for row in rows:
            if row.is_lifted or row.ends_at <= now:
                self._drop(row.number)
            elif row.number not in self._rows:
                self._put(row)
                new.append(row)
        while self._next_to_end and self._next_to_end[0][0] <= now:
            self._drop(heapq.heappop(self._next_to_end)[1])
        return new

    def client_seconds(self, client_id: str, now: float) -> float:
        """Return for how long a client ID is still banned; 0 for one that is not."""
        return _left(self._clients.get(client_id), now)

    def network_seconds(self, number: int, now: float) -> float:
        """Return for how long the network of an address is still banned; 0 for one that is not."""
        if number == NOWHERE or not self._networks:
            return 0
        return max(
            (_left(networks.get(number >> (BITS - prefix)), now) for prefix, networks in self._networks.items()),
            default=0,
        )

    def _put(self, row: Row) -> None:
        self._rows[row.number] = row
        heapq.heappush(self._next_to_end, (row.ends_at, row.number))
        bans, key = self._place_of(row)
        bans.setdefault(key, {})[row.number] = row.ends_at

    def _drop(self, number: int) -> None:
        row = self._rows.pop(number, None)
        if row is None:
            return
        bans, key = self._place_of(row)
        del bans[key][number]
        if not bans[key]:
            del bans[key]

    def _place_of(self, row: Row) -> tuple[dict[Any, Ends], Any]:
        if row.client_id:
            return self._clients, row.client_id
        network = parse(row.network)
        prefix = prefix_of(network)
        return self._networks.setdefault(prefix, {}), number_of(network.network_address) >> (BITS - prefix)


def _left(ends: Ends | None, now: float) -> float:
    return max(0, max(ends.values()) - now) if ends else 0
