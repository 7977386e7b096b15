"""Who is online, which calls exist, and what waits for whom: the contract that both registries keep.

A client ID belongs to at most one connection. A connection *claims* the ID, joins its group and then
*joins* the registry, which hands over what was held; it *releases* the ID when it goes. Between a claim
and a join, and after a release that holds, what is relayed to the client waits here, in order.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from signaling.delivery.events import Event
from signaling.protocol.calls import Action, EndReason, Leg, State


class Owner(NamedTuple):
    """The connection that has a client ID, and the channel that reaches it."""

    connection_id: str
    channel: str


class Claim(NamedTuple):
    """Which connection still has the client ID (None: it is ours now), and the channel of who waited before."""

    holder: str | None
    displaced: str | None


class SupersededError(Exception):
    """A newer connection has the client ID, or is next."""


@dataclass(frozen=True, slots=True)
class Joined:
    """What a client comes back to: its open calls, and the events that waited for it."""

    legs: dict[str, Leg]
    held: list[Event]


@dataclass(frozen=True, slots=True)
class Ended:
    """A call that the registry ended, why, and the clients that must hear of it."""

    call_id: str
    reason: str
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Released:
    """What a release left behind: the calls it ended, and the channel of whoever waits for the ID."""

    ended: list[Ended] = field(default_factory=list)
    successor: str | None = None


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call as an operator sees it."""

    call_id: str
    caller: str
    callee: str
    state: State
    age_seconds: float


@dataclass(frozen=True, slots=True)
class OpenCalls:
    """The newest calls first, and how many there are in all."""

    calls: list[OpenCall]
    total: int


@dataclass(frozen=True, slots=True)
class Status:
    """How much there is of everything."""

    connections: int
    registered_clients: int
    ringing_calls: int
    active_calls: int


class Registry(Protocol):
    """Every method is one atomic step; each may raise `UnavailableError`."""

    async def admit(self, address: str) -> bool:
        """Count a connection from `address`; False when it has too many, open or new."""

    async def depart(self, address: str) -> None:
        """Count a connection from `address` as closed."""

    async def claim(self, client_id: str, owner: Owner, *, is_first: bool = True) -> Claim:
        """Take a client ID, or wait for it in the place of whoever waited before; the newest wins.

        Whoever has it tells `owner.channel` when it lets go. Raises `SupersededError` for another try
        (not `is_first`) when a newer connection waits for it or has it.
        """

    async def join(self, client_id: str, owner: Owner) -> Joined | None:
        """Be reachable from here on and take over what was held; None when the ID is ours no more."""

    async def release(self, client_id: str, owner: Owner, strays: list[Event], *, hold: bool) -> Released | None:
        """Let go of a client ID; None when it was ours no more.

        With `hold`, or when a successor waits, its calls go on and `strays`, which reached this
        connection too late, wait before everything else. Without, its calls end.
        """

    async def evict(self, client_id: str, connection_id: str) -> None:
        """Release a client ID for a connection that does not answer any more."""

    async def hold(self, client_id: str, event: Event) -> bool:
        """Keep an event that nobody received; False when the client is gone.

        Raises `RateLimitedError` when as much waits for the client as may (PROTOCOL.md, "Calls").
        """

    async def open_call(self, call_id: str, caller: str, callee: str) -> None:
        """Open a ringing call.

        Raises `UnavailableError` while the caller itself moves, `TargetNotFoundError`, `InvalidMessageError`
        for a used call ID, `RateLimitedError` for too many open calls of the caller.
        """

    async def advance(self, call_id: str, client_id: str, action: Action) -> Leg:
        """Do `action` to a call; returns the client's leg as it is now (before the end, if it ended).

        Raises `CallNotFoundError` for everything that `TRANSITIONS` does not allow.
        """

    async def sweep(self) -> list[Ended]:
        """End the calls that rang out and those of clients that did not come back; each is returned once."""

    async def status(self) -> Status:
        """Count what there is."""

    async def who_is_online(self, client_ids: Collection[str]) -> set[str]:
        """Return those of `client_ids` that a connection has."""

    async def open_calls(self, name: str, most: int) -> OpenCalls:
        """Return the newest `most` calls: those of the client `name`, the call `name`, or with "" all."""

    async def end_call(self, call_id: str, reason: EndReason) -> Ended:
        """End a call, whatever its state; raises `CallNotFoundError`."""
