"""The connections of this process."""

from collections import Counter
from collections.abc import Iterator
from typing import Protocol

from signaling.connections.connection import Connection
from signaling.connections.timeouts import Watched
from signaling.protocol.closing import Close


class Member(Watched, Protocol):
    """A connection as the node sees it: its consumer."""

    address: str
    network: int
    ended_by: Close | int


class Members:
    """A collection of consumers; `addresses` counts the admitted connections of each address."""

    def __init__(self) -> None:
        self._members: set[Member] = set()
        self.addresses: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, member: object) -> bool:
        return member in self._members

    def add(self, member: Member) -> None:
        """Add a consumer."""
        self._members.add(member)

    def discard(self, member: Member) -> None:
        """Remove a consumer, if it is there."""
        self._members.discard(member)

    def connections(self) -> list[Connection]:
        """Return the connection of each."""
        return [member.connection for member in self._members]

    def registered(self) -> list[Connection]:
        """Return the connections that have a client ID."""
        return [connection for connection in self.connections() if connection.client_id is not None]
