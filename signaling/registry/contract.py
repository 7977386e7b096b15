"""The contract of a registry: the clients that are online, the open calls, and the messages held for clients.

How it works: a client ID belongs to at most one connection. A connection *claims* the ID, joins its group and then
*joins* the registry, which hands over the held messages; it *releases* the ID when it goes. Between a claim and a
join, and after a release that holds, messages for the client wait in its held queue, in order.

While another connection has the ID, a claim makes the caller its *successor*; the holder is told to release the ID,
and tells the successor when it has. A newer successor displaces the one before.
"""

from collections.abc import Collection, Iterable
from typing import Protocol

from signaling.delivery.events import Event
from signaling.protocol.calls import Action, EndReason, Leg
from signaling.protocol.closing import Hold
from signaling.protocol.errors import CallNotFoundError
from signaling.registry.outcomes import (
    Claim,
    Ended,
    Joined,
    OpenCalls,
    Ousted,
    Owner,
    Released,
    Status,
)
from signaling.registry.owned import UNSIGNED, OwnedIds


class OwnedError(Exception):
    """The client ID belongs to another identity than the one that the connection was checked against."""


class OwnersLostError(Exception):
    """Redis has lost which client IDs belong to a key, and this process has yet to look."""


class CallLostError(CallNotFoundError):
    """The call is not in the registry and did not end lately: it never was, or the registry lost it."""


class SupersededError(Exception):
    """A newer connection has the client ID, or is next."""


class Steps(Protocol):
    """The usual steps of a registry that asks nobody else: each is done when it returns."""

    def join_at_once(self, client_id: str, owner: Owner, *, is_known: bool) -> bool:
        """Claim and join a client ID that is nobody's, has no calls, and belongs to no identity.

        Returns False, without a change, for any other, or where `claim` would raise.
        """

    def open_call_at_once(self, call_id: str, caller: str, callee: str, *, is_chosen: bool) -> str | None:
        """See `Registry.open_call`."""

    def advance_at_once(self, call_id: str, client_id: str, action: Action) -> Leg:
        """See `Registry.advance`."""


class Registry(Protocol):
    """The steps on clients and calls; each is atomic, and may raise `UnavailableError`."""

    @property
    def owned(self) -> OwnedIds:
        """Return the client IDs that belong to a key, as this process knows them."""

    @property
    def at_once(self) -> Steps | None:
        """Return the steps that need not be awaited; None for a registry that asks another process.

        They spare most messages that register a client or change a call a task and a turn of the event loop.
        """

    async def admit(self, address: str) -> bool:
        """Count a connection from `address`; return False when it has too many, open or new."""

    async def depart(self, address: str) -> None:
        """Count a connection from `address` as closed."""

    async def claim(
        self, client_id: str, owner: Owner, *, is_first: bool = True, identity: str = UNSIGNED, is_known: bool = True
    ) -> Claim:
        """Claim a client ID for `owner`, or make `owner` the successor of the connection that has it.

        A first try displaces the successor before; another try (not `is_first`) raises `SupersededError` when a newer
        connection has the ID or is its successor. `identity` is the one that the connection was checked against: raises
        `OwnedError` for an ID of another. Unless `is_known`, raises `OwnersLostError` where it may be one.
        """

    async def own(self, client_id: str, identity: str, sender: Owner | None = None) -> Ousted:
        """Let nobody claim a client ID from now on but who was checked against `identity`, on any process.

        A connection that has it and was not is removed, with its calls and what is held; one that is `sender` stays,
        because its statement it was. An identity that is older than the known one changes nothing.
        """

    async def has_lost_owners(self) -> bool:
        """Return whether the client IDs that belong to a key have to be written again: Redis was emptied, or is new."""

    async def restore_owned(self, owned: Iterable[tuple[str, str]], *, are_last: bool) -> None:
        """Write client IDs and identities again; all of them are there once they `are_last`."""

    async def processes(self) -> dict[str, int]:
        """Count the registered clients of each process that lives, by process; none where this is the only one."""

    async def knows_owners(self) -> bool:
        """Return whether every process that lives knows of client IDs that belong to a key."""

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

        Raises `CallNotFoundError` for everything that `TRANSITIONS` does not allow; it may be a `CallLostError`.
        """

    def note_loss(self) -> None:
        """Note that the registry has lost a call that a connection knows, so that it is restored."""

    async def sweep(self) -> list[Ended]:
        """End the calls that rang for too long, and those of clients that did not come back; return each once."""

    async def status(self) -> Status:
        """Count connections, clients and calls."""

    async def who_is_online(self, client_ids: Collection[str]) -> set[str]:
        """Return those of `client_ids` that a connection has."""

    async def open_calls(self, text: str, most: int) -> OpenCalls:
        """Return the newest `most` calls whose ID or one of whose clients' IDs contains `text` in any case."""

    async def end_call(self, call_id: str, reason: EndReason) -> Ended:
        """End a call, ringing or active; raises `CallNotFoundError`."""
