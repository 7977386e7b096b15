"""One connection: its state, its client ID, its calls, and the order in which everything reaches its client."""

import asyncio
from collections.abc import Iterable
from typing import Protocol

from msgspec import UNSET, UnsetType

from serving.contract import WebSocket
from signaling.connections.handover import Handover
from signaling.connections.legs import follow, registered, ringing_here
from signaling.connections.mailbox import Inbox
from signaling.connections.missing_rings import answer, spread
from signaling.connections.proofs import Pongs
from signaling.connections.relay import Relay
from signaling.connections.states import LEAVING_STATES, TRANSITIONS, ConnectionEvent, ConnectionState
from signaling.delivery.events import (
    BATCH,
    COPIES,
    DISCONNECT,
    GONE,
    MESSAGE,
    NO_RING,
    OURS,
    RELEASED,
    RETURNED,
    RING_ASKED,
    SUPERSEDE,
    Event,
    changing,
)
from signaling.protocol.calls import Leg, State
from signaling.protocol.closing import DISCONNECTED_BY_OPERATOR, SUPERSEDED, Close, Hold
from signaling.protocol.errors import ProtocolError, UnavailableError
from signaling.protocol.limits import Allowance
from signaling.protocol.server_messages import CallEnded, ServerMessage, error_for
from signaling.registry.contract import Registry, SupersededError
from signaling.registry.outcomes import Joined, Owner
from signaling.registry.owned import UNSIGNED
from signaling.registry.rules import new_connection_id
from signaling.telemetry.counters import counters

# Asked for with each message: before Python 3.12 to look up a member of an enum is a call.
REGISTERED, RINGING = ConnectionState.REGISTERED, State.RINGING


class Consumer(Protocol):
    """What serves the WebSocket."""

    websocket: WebSocket

    def shut(self, close: Close) -> None:
        """Close the WebSocket; does not block."""

    def handle(self, event: Event) -> bool:
        """Handle an event that is not of this protocol; returns False for one that is not known."""


class Connection:
    """A WebSocket's side of the protocol."""

    __slots__ = (
        *("_consumer", "_handover", "_inbox", "_joining", "_leaving", "_legs_before", "_state", "_told_gone"),
        *("address", "allowance", "challenge", "client_id", "host", "identity", "is_leaving", "legs", "outbound"),
        *("owner", "pongs", "received_at", "relay"),
    )

    def __init__(self, relay: Relay, channel: str, allowance: Allowance, consumer: Consumer) -> None:
        self.owner = Owner(new_connection_id(), channel)
        self.allowance = allowance
        self.client_id: str | None = None
        # The pseudonym of its client's address; the identity that signed, the challenge to sign, and the host that the
        # client opened.
        self.address = self.identity = self.challenge = self.host = ""
        self.legs: dict[str, Leg] = {}
        self.received_at = 0.0  # When the client's last frame came: monotonic, in seconds.
        self._state = ConnectionState.UNREGISTERED
        # Whether it is closed, or will be once it has given its client ID back.
        self.is_leaving = False
        self.relay = relay
        self.outbound = consumer.websocket
        self.pongs = Pongs.UNHEARD if self.outbound.can_ping else Pongs.NONE
        self._consumer = consumer
        self._inbox = Inbox()
        self._handover = Handover(relay, self.owner, self._inbox)
        # Of JOINING: completed when it ends. Of REJOINING: the legs when it began. Of LEAVING: what runs it.
        self._joining: asyncio.Future[None] | None = None
        self._legs_before: dict[str, Leg] | None = None
        self._leaving: asyncio.Task[None] | None = None
        # The calls whose end the client was told before it came, if it comes.
        self._told_gone: set[str] | None = None

    @property
    def registry(self) -> Registry:
        """The registry that knows this connection."""
        return self.relay.registry

    def reply(self, message: ServerMessage) -> None:
        """Send a message to this client."""
        counters.messages_sent[type(message)] += 1
        self.outbound.write(message.encode())

    def refuse(self, error: ProtocolError, request: str | UnsetType = UNSET, call_id: str | UnsetType = UNSET) -> None:
        """Reply `ERROR` to a request that named this type and this call."""
        counters.count_error(error, request)
        self.reply(error_for(error, request, call_id))

    def deliver(self, event: Event) -> None:
        """Write an event's message to the client, or hold it in the inbox; obey an event that is none."""
        kind = event["type"]
        if kind == MESSAGE:
            if self._state is REGISTERED:
                self._write(event)
            else:
                self._inbox.hold(event)
                if "changes" in event:
                    self._handover.note_ring(event["changes"][0])
        elif kind == BATCH:
            for part in event["events"]:
                self.deliver(part)
        else:
            self._obey(kind, event)

    async def register(
        self, client_id: str, identity: str = "", *, is_known: bool = True, lists_none: bool = False
    ) -> None:
        """Join as the connection of `client_id`, reply `REGISTERED`, and deliver what waited for it, in order.

        Raises what `Registry.claim` does for an ID that does not belong to `identity`.
        """
        if self.is_leaving:
            return  # It was closed after the frame had come.
        self._enter(ConnectionEvent.REGISTER)
        self._joining = asyncio.get_running_loop().create_future()
        try:
            joined = await self._handover.join(client_id, identity, is_known=is_known)
        except BaseException as error:
            self._enter(ConnectionEvent.NOT_JOINED)
            if not isinstance(error, SupersededError):
                raise
            self._consumer.shut(SUPERSEDED)
        else:
            self._answer_register(client_id, identity, joined, lists_none=lists_none)
        finally:
            self._joining.set_result(None)
            self._joining = None

    def register_at_once(self, client_id: str, *, is_known: bool, lists_none: bool) -> bool:
        """Register as `register` does, where nobody has to be asked; returns False where `register` has to."""
        if not self._handover.join_at_once(client_id, is_known=is_known):
            return False
        self._enter(ConnectionEvent.REGISTER)
        self._answer_register(client_id, UNSIGNED, Joined({}, []), lists_none=lists_none)
        return True

    def _answer_register(self, client_id: str, identity: str, joined: Joined, *, lists_none: bool) -> None:
        self.client_id, self.identity, self.legs = client_id, identity, joined.legs
        self._enter(ConnectionEvent.JOINED)
        counters.registrations += 1
        self.reply(registered(client_id, self.legs, lists_none=lists_none))
        self._deliver_inbox(joined.held)

    def park(self) -> None:
        """Hold what comes in the inbox until `rejoin` or `unpark`: the registry may have older messages."""
        self._enter(ConnectionEvent.REJOIN)
        self._legs_before = self.legs.copy()

    def unpark(self) -> None:
        """Deliver the inbox without having rejoined: the registry is away again."""
        self._enter(ConnectionEvent.REJOINED)
        self._deliver_inbox(())

    def rejoin(self, joined: Joined | None) -> None:
        """Deliver what the registry held, then the inbox, and end calls that it lost; None: leave, superseded."""
        if joined is None:
            self.leave_soon(hold=Hold.FULL, then=SUPERSEDED)
            return
        before, self._legs_before = self._legs_before or {}, None
        # Those that the client itself ended meanwhile are in neither.
        self.legs = {**self.legs, **joined.legs}
        self._enter(ConnectionEvent.REJOINED)
        self._deliver_inbox(joined.held)
        gone = before.keys() & self.legs.keys() - joined.legs.keys()
        for call_id in gone:
            # It ended while the registry could not be reached.
            self.deliver(changing(CallEnded(call_id), call_id, None, ""))
        self._told_gone = gone or None

    async def reconcile(self) -> None:
        """Rejoin after an event that was not understood, which may have said that a call ended or a successor waits."""
        client_id = self.client_id
        if client_id is None or self._state is not ConnectionState.REGISTERED:
            return  # It is joining or leaving, or asks already.
        self.park()
        try:
            joined = await self._handover.join_again(client_id, self.legs, self.identity)
        except UnavailableError:
            self.unpark()
            return
        if self.client_id == client_id:
            self.rejoin(joined)

    def leave_soon(self, *, hold: Hold, then: Close | None = None, is_ousted: bool = False) -> "asyncio.Task[None]":
        """Start to give the client ID back, once, and close the connection with `then` afterwards.

        From here on nothing is written: what comes, was not sent, or is unproved goes to the registry with the ID; of
        one that `is_ousted` nothing does, as its client ID is another's.
        """
        if self._leaving is None:
            self._enter(ConnectionEvent.LEAVE)
            self._inbox.hold_first(self.outbound.unsent())
            self._inbox.hold_first(self.relay.proofs.take(self))
            self._inbox.hold_first(self.relay.copies.take(self))
            if is_ousted:
                self._inbox.empty()
            self._leaving = asyncio.create_task(self._leave(hold=hold))
        if then is not None:
            self._leaving.add_done_callback(lambda _: self._consumer.shut(then))
        return self._leaving

    async def _leave(self, *, hold: Hold) -> None:
        if self._joining is not None:
            await asyncio.shield(self._joining)
        client_id, self.client_id = self.client_id, None
        if client_id is not None:
            await self._handover.leave(client_id, hold=hold)
        self._enter(ConnectionEvent.RELEASED)

    def _enter(self, event: ConnectionEvent) -> None:
        self._state = TRANSITIONS[self._state][event]
        self.is_leaving = self._state in LEAVING_STATES

    def _obey(self, kind: str, event: Event) -> None:
        if kind == SUPERSEDE:
            if event["connection"] == self.owner.connection_id:
                self.leave_soon(hold=Hold.FULL, then=SUPERSEDED, is_ousted=event.get("is_ousted", False))
        elif kind == DISCONNECT:
            self.leave_soon(hold=Hold.FULL, then=DISCONNECTED_BY_OPERATOR)
        elif kind == RELEASED:
            self._handover.note_release()
        elif kind == RETURNED:
            self.relay.returns.answer_returned(event["event"], self)
            self._handover.note_ring(event["event"].get("call", ""))
        elif kind == NO_RING:
            self._handover.note_ring(event["call"])
        elif kind in (RING_ASKED, COPIES):
            self._obey_about_copies(kind, event)
        elif kind.startswith(OURS) or not self._consumer.handle(event):
            self.relay.returns.return_unknown(event, self)

    def _obey_about_copies(self, kind: str, event: Event) -> None:
        if self._state is not ConnectionState.REGISTERED:
            # Its calls and copies are not here yet, or no more.
            self._inbox.hold(event)
        elif kind == RING_ASKED:
            answer(self, event)
        else:
            self.relay.copies.restore(self, event["copies"])

    def _deliver_inbox(self, held: Iterable[Event]) -> None:
        self._inbox.hold_first(held)
        if self._state is ConnectionState.REGISTERED:
            self._deliver_all(self._inbox.empty())

    def _deliver_all(self, events: list[Event]) -> None:
        if any("candidates" in event for event in events):
            events = spread(events, ringing_here(self.legs), self.relay.proofs.written(self))
        for event in events:
            self.deliver(event)

    def _write(self, event: Event) -> None:
        changes = event.get("changes")
        if changes is not None:
            if "candidates" in event:
                self._deliver_all([event])
                return
            if self._told_gone and self._is_told(*changes[:2]):
                return
            if changes[1] != RINGING:
                self.relay.copies.free(self, changes[0])
                if changes[1] == GONE:
                    self.relay.proofs.forget(self, changes[0])
            elif self.relay.proofs.is_repeated(self, changes[0]):
                return
            follow(self.legs, *changes)
        # Before it is written: what makes a client too slow closes its connection, and goes to its next one.
        is_kept = self.relay.proofs.keep(self, event)
        if not self.outbound.write(event["frame"], event):
            if not is_kept:
                self._inbox.hold(event)
            self._enter(ConnectionEvent.WRITE_FAILED)

    def _is_told(self, call_id: str, state: str) -> bool:
        """Return whether this is the end of a call of which the client was told; it is not expected again."""
        told_gone = self._told_gone or set()
        is_there = call_id in told_gone
        told_gone.discard(call_id)
        return is_there and state == GONE
