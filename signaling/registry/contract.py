"""The contract of a registry: the clients that are online, the open calls, and the messages held for clients.

How it works: a client ID belongs to at most one connection. A connection *claims* the ID, joins its group and then
*joins* the registry, which hands over the held messages; it *releases* the ID when it goes. Between a claim and a
join, and after a release that holds, messages for the client wait in its held queue, in order.

While another connection has the ID, a claim makes the caller its *successor*; the holder is told to release the ID,
and tells the successor when it has. A newer successor displaces the one before.
"""

import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from signaling.delivery.events import Event
from signaling.protocol.calls import Action, EndReason, Leg, State
from signaling.protocol.closing import Hold


def new_connection_id() -> str:
    """Make a connection's ID: a letter, when it came in microseconds, 32 random bits; older ones sort before newer."""
    return f"t{time.time_ns() // 1000:014x}{secrets.token_hex(4)}"


class Owner(NamedTuple):
    """The connection that has a client ID, and the channel that reaches it."""

    connection_id: str
    channel: str


class Claim(NamedTuple):
    """A claim's outcome: the connection that still has the ID (None: the caller has it), and the displaced channel."""

    holder: str | None
    displaced: str | None


class SupersededError(Exception):
    """A newer connection has the client ID, or is next."""


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


class CallSteps(Protocol):
    """The steps on calls of a registry that asks nobody else: each is done when it returns."""

    def open_call_at_once(self, call_id: str, caller: str, callee: str, *, is_chosen: bool) -> str | None:
        """See `Registry.open_call`."""

    def advance_at_once(self, call_id: str, client_id: str, action: Action) -> Leg:
        """See `Registry.advance`."""


class Registry(Protocol):
    """The steps on clients and calls; each is atomic, and may raise `UnavailableError`."""

    @property
    def at_once(self) -> CallSteps | None:
        """Return the steps on calls that need not be awaited; None for a registry that asks another process.

        They spare most messages that change a call a task and a turn of the event loop.
        """

    async def admit(self, address: str) -> bool:
        """Count a connection from `address`; return False when it has too many, open or new."""

    async def depart(self, address: str) -> None:
        """Count a connection from `address` as closed."""

    async def claim(self, client_id: str, owner: Owner, *, is_first: bool = True) -> Claim:
        """Claim a client ID for `owner`, or make `owner` the successor of the connection that has it.

        A first try displaces the successor before; another try (not `is_first`) raises `SupersededError` when a newer
        connection has the ID or is its successor.
        """

    async def join(self, client_id: str, owner: Owner) -> Joined | None:
        """Make `owner` reachable and hand over the held events; return None when it has the ID no more.

        Pointless events are left out: a ring of a call that was answered, and all but the end of one that is gone.
        """

    async def release(self, client_id: str, owner: Owner, strays: list[Event], *, hold: Hold) -> Released | None:
        """Release a client ID; return None when `owner` had it no more.

        With `hold`, for as long as it says, or when there is a successor, the calls go on, and `strays`, events that
        reached this connection too late, go to the beginning of the held queue: all changes of calls, and candidates
        as far as there is room, the newest first. Without, the calls end.
        """

    async def deliver_late(self, client_id: str, events: list[Event]) -> list[Event]:
        """Deliver, or hold, what a connection still has for a client ID that is its own no more.

        Newer messages have come before it, so this leaves out what is not as it is now: of each call that stands its
        candidates and its last change are delivered, of one that is gone its end. Returns those that the caller has to
        deliver itself, before anything else happens.
        """

    async def evict(self, client_id: str, connection_id: str) -> None:
        """Release a client ID, with hold, for a connection that does not answer any more."""

    async def hold(self, client_id: str, event: Event) -> bool:
        """Put an event into a client's held queue; return False when the client is gone.

        Raises `RateLimitedError` when the queue is full (PROTOCOL.md, "Calls").
        """

    async def open_call(self, call_id: str, caller: str, callee: str, *, is_chosen: bool = True) -> str | None:
        """Open a ringing call, and return the ID of the call that it replaces, if there is one.

        Where the caller has not chosen the ID (not `is_chosen`), the new call ends the caller's earlier one to the same
        callee that still rings and whose ID was not chosen either: nobody else could end it.

        Raises `UnavailableError` while the caller moves to another connection, `TargetNotFoundError`,
        `InvalidMessageError` for a used call ID, `RateLimitedError` for too many open calls of the caller.
        """

    async def advance(self, call_id: str, client_id: str, action: Action) -> Leg:
        """Apply a client's action to a call; return the client's leg after it, or, if the call ended, before.

        Raises `CallNotFoundError` for everything that `TRANSITIONS` does not allow.
        """

    async def sweep(self) -> list[Ended]:
        """End the calls that rang for too long, and those of clients that did not come back; return each once."""

    async def status(self) -> Status:
        """Count connections, clients and calls."""

    async def who_is_online(self, client_ids: Collection[str]) -> set[str]:
        """Return those of `client_ids` that a connection has."""

    async def open_calls(self, name: str, most: int) -> OpenCalls:
        """Return the newest `most` calls: those of the client `name`, the call `name`, or with "" all."""

    async def end_call(self, call_id: str, reason: EndReason) -> Ended:
        """End a call, ringing or active; raises `CallNotFoundError`."""
