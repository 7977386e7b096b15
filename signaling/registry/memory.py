"""The registry of a single process. No method awaits: each is one atomic step.

It is one class of more than 200 lines, as every step is on the same clients and calls.
"""

from collections.abc import Callable, Collection, Iterable

from signaling.delivery.events import Event, is_needed, size_of
from signaling.protocol.calls import HELD_BYTES, HELD_MESSAGES, TRANSITIONS, Action, EndReason, Leg, Role, State
from signaling.protocol.closing import Hold
from signaling.protocol.errors import (
    CallNotFoundError,
    InvalidMessageError,
    RateLimitedError,
    TargetNotFoundError,
    UnavailableError,
)
from signaling.protocol.limits import Limits, Timeouts
from signaling.registry.contract import OwnedError, OwnersLostError, Steps, SupersededError
from signaling.registry.held import fitting, is_as_it_is, not_overtaken, to_hand_over
from signaling.registry.memory_records import Addresses, Call, Client, Deadlines
from signaling.registry.outcomes import Claim, Ended, Joined, OpenCall, OpenCalls, Ousted, Owner, Released, Status
from signaling.registry.owned import UNSIGNED, OwnedIds
from signaling.registry.rules import TOO_MANY_CALLS, TOO_MUCH_HELD, USED_CALL_ID, is_named


class MemoryRegistry:
    """Presence, calls and held messages of this process; `clock` is monotonic, in seconds."""

    def __init__(self, limits: Limits, timeouts: Timeouts, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._timeouts = timeouts
        self._clock = clock
        self._clients: dict[str, Client] = {}
        self._ringing = Deadlines()
        self._holds = Deadlines()
        # By call ID, oldest first.
        self._calls: dict[str, Call] = {}
        self._addresses = Addresses(clock)
        self.owned = OwnedIds()
        self.at_once: Steps | None = self

    async def admit(self, address: str) -> bool:
        """See `Registry.admit`."""
        return self._addresses.admit(address, self._limits)

    async def depart(self, address: str) -> None:
        """See `Registry.depart`."""
        self._addresses.depart(address)

    async def claim(
        self, client_id: str, owner: Owner, *, is_first: bool = True, identity: str = UNSIGNED, is_known: bool = True
    ) -> Claim:
        """See `Registry.claim`."""
        if self.owned.refuses(client_id, identity):
            raise OwnedError
        # Nobody but this process changes what was loaded.
        if not is_known and not self.owned.is_loaded:
            raise OwnersLostError
        client = self._clients.get(client_id)
        if client is None:
            client = self._clients[client_id] = Client()
        is_next = client.successor == owner.channel
        holder = client.owner if client.owner != owner else None
        if not is_first and not is_next and (client.successor or holder):
            raise SupersededError
        displaced = None if is_next else client.successor
        if holder is not None:
            client.successor = owner.channel
            return Claim(holder.connection_id, displaced)
        client.owner = owner
        client.identity = identity
        client.successor = None
        self._holds.discard(client_id)
        return Claim(None, displaced)

    def join_at_once(self, client_id: str, owner: Owner, *, is_known: bool) -> bool:
        """See `Steps.join_at_once`."""
        is_loaded = is_known or self.owned.is_loaded
        if client_id in self._clients or not is_loaded or self.owned.refuses(client_id, UNSIGNED):
            return False
        client = self._clients[client_id] = Client()
        client.owner = owner
        return True

    async def join(self, client_id: str, owner: Owner) -> Joined | None:
        """See `Registry.join`."""
        client = self._clients.get(client_id)
        if client is None or client.owner != owner:
            return None
        held = to_hand_over(client.held or (), client.legs)
        client.held = None
        client.held_bytes = 0
        return Joined(dict(client.legs), held)

    async def release(self, client_id: str, owner: Owner, strays: list[Event], *, hold: Hold) -> Released | None:
        """See `Registry.release`."""
        client = self._clients.get(client_id)
        if client is None or client.owner != owner:
            return None
        client.owner = None
        if not hold and client.successor is None:
            return Released(self._remove(client_id, client))
        kept = fitting(strays, len(client.held or ()), client.held_bytes)
        for event in reversed(kept):
            client.hold(event, is_first=True)
        self._start_hold(client_id, client, hold)
        return Released([], client.successor, len(strays) - len(kept))

    async def deliver_late(self, client_id: str, events: list[Event]) -> list[Event]:
        """See `Registry.deliver_late`."""
        client = self._clients.get(client_id)
        legs = {} if client is None else client.legs
        return [notice.event for notice in not_overtaken(events) if is_as_it_is(notice, legs)]

    async def evict(self, client_id: str, connection_id: str) -> None:
        """See `Registry.evict`."""
        client = self._clients.get(client_id)
        if client is not None and client.owner is not None and client.owner.connection_id == connection_id:
            client.owner = None
            self._start_hold(client_id, client, Hold.FULL)

    async def own(self, client_id: str, identity: str, sender: Owner | None = None) -> Ousted:
        """See `Registry.own`."""
        self.owned.note(client_id, identity)
        client = self._clients.get(client_id)
        # What is older than what is known changes nothing.
        if client is None or client.identity == identity or self.owned.refuses(client_id, identity):
            return Ousted()
        successor = client.successor
        if client.owner is not None and client.owner == sender:
            client.identity, client.successor = identity, None
            return Ousted(None, successor)
        return Ousted(client.owner, successor, self._remove(client_id, client))

    async def processes(self) -> dict[str, int]:
        """See `Registry.processes`."""
        return {}

    async def knows_owners(self) -> bool:
        """See `Registry.knows_owners`."""
        return True

    async def has_lost_owners(self) -> bool:
        """See `Registry.has_lost_owners`."""
        return False

    async def restore_owned(self, _owned: Iterable[tuple[str, str]], *, are_last: bool) -> None:
        """See `Registry.restore_owned`; `owned` has them."""

    async def hold(self, client_id: str, event: Event) -> bool:
        """See `Registry.hold`."""
        client = self._clients.get(client_id)
        if client is None:
            return False
        is_full = len(client.held or ()) >= HELD_MESSAGES or client.held_bytes + size_of(event) > HELD_BYTES
        if is_full and not is_needed(event):
            raise RateLimitedError(*TOO_MUCH_HELD)
        client.hold(event)
        return True

    async def open_call(self, call_id: str, caller: str, callee: str, *, is_chosen: bool = True) -> str | None:
        """See `Registry.open_call`."""
        return self.open_call_at_once(call_id, caller, callee, is_chosen=is_chosen)

    def open_call_at_once(self, call_id: str, caller: str, callee: str, *, is_chosen: bool) -> str | None:
        """See `Registry.open_call`."""
        client = self._clients.get(caller)
        if client is None or client.owner is None:
            raise UnavailableError
        target = self._clients.get(callee)
        if target is None or target.owner is None:
            raise TargetNotFoundError
        if call_id in self._calls:
            raise InvalidMessageError(USED_CALL_ID)
        replaced = None if is_chosen else self._replaceable(client, callee)
        limit = self._limits.open_calls_per_client
        # With fewer legs they need not be looked at.
        if limit and len(client.legs) >= limit:
            placed = sum(leg.role is Role.CALLER for leg in client.legs.values()) - (replaced is not None)
            if placed >= limit:
                raise RateLimitedError(*TOO_MANY_CALLS)
        if replaced is not None:
            self._end(replaced)
        now = self._clock()
        self._calls[call_id] = Call((caller, callee), now, is_chosen)
        client.legs[call_id] = Leg(callee, Role.CALLER, State.RINGING)
        target.legs[call_id] = Leg(caller, Role.CALLEE, State.RINGING)
        self._ringing.set(call_id, now, self._timeouts.ring_seconds)
        return replaced

    async def advance(self, call_id: str, client_id: str, action: Action) -> Leg:
        """See `Registry.advance`."""
        return self.advance_at_once(call_id, client_id, action)

    def advance_at_once(self, call_id: str, client_id: str, action: Action) -> Leg:
        """See `Registry.advance`."""
        client = self._clients.get(client_id)
        if client is None or call_id not in client.legs:
            raise CallNotFoundError
        leg = client.legs[call_id]
        try:
            state = TRANSITIONS[action][leg.state, leg.role]
        except KeyError:
            raise CallNotFoundError from None
        if state is None:
            self._end(call_id)
            return leg
        for participant in self._calls[call_id].participants:
            legs = self._clients[participant].legs
            legs[call_id] = Leg(legs[call_id].peer, legs[call_id].role, state)
        self._ringing.discard(call_id)
        return client.legs[call_id]

    def note_loss(self) -> None:
        """See `Registry.note_loss`; memory loses nothing."""

    async def sweep(self) -> list[Ended]:
        """See `Registry.sweep`."""
        now = self._clock()
        ended = []
        for call_id in self._ringing.due(now):
            participants = self._calls[call_id].participants
            self._end(call_id)
            ended.append(Ended(call_id, EndReason.TIMEOUT, participants))
        for client_id in self._holds.due(now):
            ended += self._remove(client_id, self._clients[client_id])
        self._addresses.sweep(now)
        return ended

    async def status(self) -> Status:
        """See `Registry.status`."""
        return Status(
            connections=self._addresses.total(),
            registered_clients=sum(client.owner is not None for client in self._clients.values()),
            ringing_calls=len(self._ringing),
            active_calls=len(self._calls) - len(self._ringing),
        )

    async def who_is_online(self, client_ids: Collection[str]) -> set[str]:
        """See `Registry.who_is_online`."""
        found = ((client_id, self._clients.get(client_id)) for client_id in client_ids)
        return {client_id for client_id, client in found if client is not None and client.owner is not None}

    async def open_calls(self, text: str, most: int) -> OpenCalls:
        """See `Registry.open_calls`."""
        found = [
            call_id for call_id, call in reversed(self._calls.items()) if is_named(text, call_id, *call.participants)
        ]
        return OpenCalls([self._describe(call_id) for call_id in found[:most]], len(found))

    async def end_call(self, call_id: str, reason: EndReason) -> Ended:
        """See `Registry.end_call`."""
        call = self._calls.get(call_id)
        if call is None:
            raise CallNotFoundError
        self._end(call_id)
        return Ended(call_id, reason, call.participants)

    def _describe(self, call_id: str) -> OpenCall:
        call = self._calls[call_id]
        state = State.RINGING if call_id in self._ringing else State.ACTIVE
        return OpenCall(call_id, *call.participants, state, self._clock() - call.opened_at)

    def _replaceable(self, client: Client, callee: str) -> str | None:
        ringing = Leg(callee, Role.CALLER, State.RINGING)
        found = (
            call_id for call_id, leg in client.legs.items() if leg == ringing and not self._calls[call_id].is_chosen
        )
        return next(found, None)

    def _start_hold(self, client_id: str, client: Client, hold: Hold) -> None:
        if client.legs or client.held or client.successor is not None:
            self._holds.set(client_id, self._clock(), self._timeouts.seconds_of(hold))
        else:
            del self._clients[client_id]

    def _end(self, call_id: str) -> None:
        for participant in self._calls.pop(call_id).participants:
            # A client is removed after its calls, so both are there.
            self._clients[participant].legs.pop(call_id, None)
        self._ringing.discard(call_id)

    def _remove(self, client_id: str, client: Client) -> list[Ended]:
        ended = [Ended(call_id, EndReason.PEER_DISCONNECTED, (leg.peer,)) for call_id, leg in client.legs.items()]
        for call in ended:
            self._end(call.call_id)
        self._holds.discard(client_id)
        del self._clients[client_id]
        return ended
