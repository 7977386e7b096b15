"""One connection: its client ID, its calls, and the order in which everything reaches it."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Iterable
from functools import partial

from msgspec import UNSET, UnsetType

from serving.send_queue import SendQueue
from signaling.connections.relay import Relay
from signaling.delivery.events import (
    BATCH,
    DISCONNECT,
    GONE,
    MESSAGE,
    RELEASED,
    RETURNED,
    SUPERSEDE,
    Event,
    changing,
    group_of,
    relayed,
)
from signaling.protocol.calls import Leg, Role, State
from signaling.protocol.closing import DISCONNECTED_BY_OPERATOR, SUPERSEDED, Close
from signaling.protocol.errors import CallNotFoundError, ProtocolError, UnavailableError
from signaling.protocol.limits import Allowance
from signaling.protocol.messages import (
    CallAccepted,
    CallEnded,
    CallRejected,
    IncomingCall,
    PeerIceCandidate,
    Registered,
    ServerMessage,
    error_for,
)
from signaling.registry.contract import Joined, Owner, Registry, Released, SupersededError
from signaling.telemetry.counters import counters
from turn.ice import ice_servers

# How long a new connection waits for the old one of its client ID to let go: one that hears of it, and
# one that nobody finds, because its process is dead or is just joining.
HANDOVER_SECONDS = 2.0
SILENCE_SECONDS = 0.1
SILENCES = 3


class Connection:
    """A WebSocket's side of the protocol; `close` sends a close code and does not block."""

    __slots__ = (
        "_close",
        "_leaving",
        "_legs_before",
        "_outbound",
        "_owed_for",
        "_parked",
        "_registering",
        "_relay",
        "_released",
        "allowance",
        "client_id",
        "legs",
        "owner",
        "received_at",
    )

    def __init__(
        self,
        relay: Relay,
        channel: str,
        allowance: Allowance,
        outbound: SendQueue,
        close: Callable[[Close], None],
    ) -> None:
        self.owner = Owner(secrets.token_hex(8), channel)
        self.allowance = allowance
        self.client_id: str | None = None
        self.legs: dict[str, Leg] = {}
        # When the frame that is being handled came: monotonic, in seconds.
        self.received_at = 0.0
        self._legs_before: dict[str, Leg] = {}
        self._relay = relay
        self._outbound = outbound
        self._close = close
        # While this is a list, events wait in it: the connection is joining, or leaving.
        self._parked: list[Event] | None = None
        self._registering: asyncio.Future[None] | None = None
        self._released: asyncio.Future[None] | None = None
        self._leaving: asyncio.Task[None] | None = None
        # The client ID whose release waits for Redis.
        self._owed_for: str | None = None

    @property
    def registry(self) -> Registry:
        """The registry that knows this connection."""
        return self._relay.registry

    @property
    def is_leaving(self) -> bool:
        """Whether it lets go of its client ID, to be closed next."""
        return self._leaving is not None

    def reply(self, message: ServerMessage) -> None:
        """Send a message to this client."""
        counters.messages_sent[type(message)] += 1
        self._outbound.write(message.encode())

    def refuse(self, error: ProtocolError, request: str | UnsetType = UNSET, call_id: str | UnsetType = UNSET) -> None:
        """Tell this client what was wrong with its request, which named this type and this call."""
        counters.count_error(error, request)
        self.reply(error_for(error, request, call_id))

    def relay_candidate(self, leg: Leg, message: PeerIceCandidate) -> None:
        """Relay a candidate to the peer, or hold it; tell this client when neither goes."""
        outcome = self._relay.post(leg.peer, relayed(message), self.owner.channel)
        if outcome is not None:
            outcome.add_done_callback(partial(self._report, message.call_id, self.received_at))
        elif counters.hop.budget:
            counters.hop.observe(time.monotonic() - self.received_at)

    async def ring(self, leg: Leg, caller: str, message: IncomingCall) -> bool:
        """Let a call ring at the callee; False when it is gone."""
        event = changing(message, message.call_id, State.RINGING, caller)
        is_ringing = await self._relay.send(leg.peer, event, self.owner.channel)
        if is_ringing:
            counters.hop.observe(time.monotonic() - self.received_at)
        return is_ringing

    async def relay_change(self, leg: Leg, message: CallAccepted | CallRejected | CallEnded) -> None:
        """Relay what happened to a call: it was answered, or it ended.

        It has happened, so the peer will hear of it: later, if Redis is away now.
        """
        state = State.ACTIVE if isinstance(message, CallAccepted) else None
        event = changing(message, message.call_id, state, "")
        await self._relay.deliver_later(leg.peer, event, self.owner.channel)
        counters.hop.observe(time.monotonic() - self.received_at)

    def deliver(self, event: Event) -> None:
        """Take an event from the channel layer."""
        kind = event["type"]
        if kind == MESSAGE:
            if self._parked is None:
                self._pass_on(event)
            else:
                self._parked.append(event)
        elif kind == BATCH:
            for part in event["events"]:
                self.deliver(part)
        else:
            self._obey(kind, event)

    def _obey(self, kind: str, event: Event) -> None:
        if kind == SUPERSEDE:
            if event["connection"] == self.owner.connection_id:
                self.leave_soon(hold=True, then=SUPERSEDED)
        elif kind == DISCONNECT:
            self.leave_soon(hold=True, then=DISCONNECTED_BY_OPERATOR)
        elif kind == RELEASED:
            if self._released is not None and not self._released.done():
                self._released.set_result(None)
        elif kind == RETURNED:
            self._relay.returns.take_back(event["event"], self)
        else:
            self._relay.returns.refuse(event, self)

    async def register(self, client_id: str) -> None:
        """Become the connection of `client_id`, and pass on what waited for it, in order."""
        self._registering = asyncio.get_running_loop().create_future()
        self._parked = []
        try:
            await self._claim(client_id)
            await self._relay.switch.group_add(group_of(client_id), self.owner.channel)
            joined = await self.registry.join(client_id, self.owner)
        except SupersededError:
            self._parked = None
            self._close(SUPERSEDED)
        except BaseException:
            await self._let_go(client_id, hold=True)
            self._parked = None
            raise
        else:
            if joined is None:
                await self._let_go(client_id, hold=True)
                self._close(SUPERSEDED)
                return
            self.client_id = client_id
            counters.registrations += 1
            self.reply(Registered(client_id, counters.count_minted(ice_servers(client_id))))
            self.legs = joined.legs
            self._pass_on_all(joined.held)
        finally:
            self._registering.set_result(None)
            self._registering = None

    def park(self) -> None:
        """Let events wait until `rejoin` or `unpark`: older ones may come from the registry."""
        if self._parked is None:
            self._parked = []
        self._legs_before = dict(self.legs)

    def unpark(self) -> None:
        """Go on without the registry; it is away again."""
        if self._registering is None and self._leaving is None:
            self._pass_on_all(())

    def rejoin(self, joined: Joined | None) -> None:
        """Go on after the registry was away: with what it still has, or superseded meanwhile."""
        if joined is None:
            self.leave_soon(hold=True, then=SUPERSEDED)
            return
        before, self._legs_before = self._legs_before, {}
        self.legs = {**before, **self.legs, **joined.legs}
        self._pass_on_all(joined.held)
        for call_id in before.keys() & self.legs.keys() - joined.legs.keys():
            # It ended while nobody could say so.
            self._pass_on(changing(CallEnded(call_id), call_id, None, ""))

    async def reconcile(self) -> None:
        """Ask the registry what an event said that was not understood: that somebody newer waits, that a call ended."""
        client_id = self.client_id
        if client_id is None or self._parked is not None:
            # It is joining or leaving, or is asking already.
            return
        self.park()
        try:
            await self.registry.claim(client_id, self.owner, is_first=False)
            joined = await self.registry.join(client_id, self.owner)
        except SupersededError:
            joined = None
        except UnavailableError:
            self.unpark()
            return
        if joined is not None:
            # A call that this client was never told of is not there for it.
            told = {call_id: leg for call_id, leg in joined.legs.items() if call_id in self.legs}
            joined = Joined(told, joined.held)
        if self.client_id == client_id:
            self.rejoin(joined)

    def leave_soon(self, *, hold: bool, then: Close | None = None) -> "asyncio.Task[None]":
        """Start to let go of the client ID, once; and close the connection after it.

        From here on nothing is written: what comes is parked, and held once the ID is free.
        """
        if self._leaving is None:
            self._leaving = asyncio.create_task(self._leave(hold=hold))
            self._parked = [*self._outbound.unsent(), *(self._parked or ())]
        if then is not None:
            self._leaving.add_done_callback(lambda _: self._close(then))
        return self._leaving

    async def _leave(self, *, hold: bool) -> None:
        if self._registering is not None:
            await asyncio.shield(self._registering)
        client_id = self.client_id
        if client_id is None:
            return
        self.client_id = None
        await self._let_go(client_id, hold=hold)

    def _pass_on_all(self, first: Iterable[Event]) -> None:
        waiting = [*first, *(self._parked or ())]
        self._parked = waiting if self._leaving else None
        for event in () if self._leaving else waiting:
            self.deliver(event)

    def _pass_on(self, event: Event) -> None:
        changes = event.get("changes")
        if changes is not None:
            call_id, state, peer = changes
            if state == GONE:
                self.legs.pop(call_id, None)
            elif state == State.RINGING:
                self.legs[call_id] = Leg(peer, Role.CALLEE, State.RINGING)
            elif call_id in self.legs:
                known = self.legs[call_id]
                self.legs[call_id] = Leg(known.peer, known.role, State(state))
        if not self._outbound.write(event["frame"], event):
            # The client is gone and the consumer has yet to hear of it.
            self._parked = [*(self._parked or ()), event]

    def _report(self, call_id: str, received_at: float, outcome: "asyncio.Future[bool]") -> None:
        error = outcome.exception()
        if error is None and outcome.result():
            counters.hop.observe(time.monotonic() - received_at)
            return
        refusal = error if isinstance(error, ProtocolError) else CallNotFoundError()
        self.refuse(refusal, "ICE_CANDIDATE", call_id)

    async def _claim(self, client_id: str) -> None:
        switch, registry = self._relay.switch, self.registry
        silences, is_first = 0, True
        while True:
            self._released = asyncio.get_running_loop().create_future()
            claim = await registry.claim(client_id, self.owner, is_first=is_first)
            is_first = False
            if claim.displaced is not None:
                # It finds out by its next try.
                await switch.send(claim.displaced, {"type": RELEASED})
            if claim.holder is None:
                return
            is_heard = await switch.group_send(group_of(client_id), {"type": SUPERSEDE, "connection": claim.holder})
            try:
                async with asyncio.timeout(HANDOVER_SECONDS if is_heard else SILENCE_SECONDS):
                    await self._released
            except TimeoutError:
                silences += 1
                if is_heard or silences >= SILENCES:
                    await registry.evict(client_id, claim.holder)

    async def _let_go(self, client_id: str, *, hold: bool) -> None:
        await self._relay.switch.group_discard(group_of(client_id), self.owner.channel)
        # What was on its way has arrived by now; nothing more will.
        strays, self._parked = self._parked or [], []
        await self._release(client_id, strays, hold=hold)

    async def _release(self, client_id: str, strays: list[Event], *, hold: bool) -> None:
        try:
            released = await self.registry.release(client_id, self.owner, strays, hold=hold)
        except UnavailableError:
            if client_id != self._owed_for:
                self._owed_for = client_id
                self._relay.owed.append(partial(self._release_late, client_id, strays, hold=hold))
            return
        if released is None:
            for event in strays:
                await self._relay.deliver_later(client_id, event)
            return
        counters.messages_held += len(strays)
        await self._follow_up(released)

    async def _release_late(self, client_id: str, strays: list[Event], *, hold: bool) -> None:
        self._owed_for = None
        # It may have registered again since, by another try on the same connection.
        if self._registering is None and self.client_id != client_id:
            await self._release(client_id, strays, hold=hold)

    async def _follow_up(self, released: Released) -> None:
        if released.successor is not None:
            # It tries again by itself when it does not hear of this.
            with contextlib.suppress(UnavailableError):
                await self._relay.switch.send(released.successor, {"type": RELEASED})
        await self._relay.announce(released.ended)
