"""What the steps of a registry are given and return."""

from dataclasses import dataclass, field
from typing import NamedTuple

from signaling.delivery.events import Event
from signaling.protocol.calls import Leg, State


class Owner(NamedTuple):
    """The connection that has a client ID, and the channel that reaches it."""

    connection_id: str
    channel: str


class Claim(NamedTuple):
    """A claim's outcome: the connection that still has the ID (None: the caller has it), and the displaced channel."""

    holder: str | None
    displaced: str | None


@dataclass(frozen=True, slots=True)
class Joined:
    """A join's outcome: the client's open calls, and its held events, oldest first."""

    legs: dict[str, Leg]
    held: list[Event]


@dataclass(frozen=True, slots=True)
class Ended:
    """A call that the registry ended, the reason, and the clients that have to be told."""

    call_id: str
    reason: str
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Released:
    """A release's outcome: the calls that it ended, the successor's channel, and how many strays found no room."""

    ended: list[Ended] = field(default_factory=list)
    successor: str | None = None
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Ousted:
    """A new owner's outcome: the connection that lost the ID, the channel of who waited for it, and the ended calls."""

    owner: Owner | None = None
    successor: str | None = None
    ended: list[Ended] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class OpenCall:
    """An open call, for operators."""

    call_id: str
    caller: str
    callee: str
    state: State
    age_seconds: float


@dataclass(frozen=True, slots=True)
class OpenCalls:
    """Calls, newest first, and the number of all."""

    calls: list[OpenCall]
    total: int


@dataclass(frozen=True, slots=True)
class Status:
    """The numbers of connections, clients and calls."""

    connections: int
    registered_clients: int
    ringing_calls: int
    active_calls: int
