"""The registry that any number of processes share through Redis: each step is one script, so it is atomic.

`redis_scripts.py` runs the scripts of `scripts/`, whose keys `prelude.lua` describes; `redis_records.py` reads
their replies; `redis_leases.py` has what concerns a process and not one client; `redis_owned.py` has the claims, and
the client IDs that belong to a key.
"""

from collections.abc import Callable, Collection, Container

from signaling.delivery.events import Event, group_of, is_needed, size_of
from signaling.delivery.redis_layer import RedisLoopLayer
from signaling.protocol.calls import HELD_BYTES, HELD_MESSAGES, TRANSITIONS, Action, EndReason, Leg
from signaling.protocol.closing import Hold
from signaling.protocol.errors import (
    CallNotFoundError,
    InvalidMessageError,
    RateLimitedError,
    TargetNotFoundError,
    UnavailableError,
)
from signaling.protocol.limits import Limits, Timeouts
from signaling.registry.contract import CallLostError
from signaling.registry.held import not_overtaken, to_hand_over
from signaling.registry.outcomes import Ended, Joined, OpenCall, OpenCalls, Owner, Released, Status
from signaling.registry.owned import UNSIGNED
from signaling.registry.redis_leases import ENDED_SECONDS
from signaling.registry.redis_owned import RedisOwned
from signaling.registry.redis_records import (
    TRANSITION_ROWS,
    Restored,
    decode_leg,
    decode_legs,
    decode_open_call,
    encode_legs,
)
from signaling.registry.rules import TOO_MANY_CALLS, TOO_MUCH_HELD, USED_CALL_ID, is_named

# How many clients or calls one sweep ends; the next one ends the rest.
SWEEP_SIZE = 500
# How many calls a search reads at once.
CALLS_PAGE = 100

_CLIENT_GONE, _TOO_MUCH = 0, -1
# What `deliver_late.lua` asks of the call of a candidate: that it stands.
_ANY_STATE = "*"


class RedisRegistry(RedisOwned):
    """The `Registry` of every process on one Redis."""

    def __init__(
        self, layer: RedisLoopLayer, limits: Limits, timeouts: Timeouts, clock: Callable[[], float] | None = None
    ) -> None:
        super().__init__(layer, limits, clock)
        # Every step asks Redis.
        self.at_once = None
        self._layer = layer
        self._timeouts = timeouts

    async def join(self, client_id: str, owner: Owner) -> Joined | None:
        """See `Registry.join`."""
        reply = await self._run("join", client_id, owner.connection_id)
        if reply is None:
            return None
        legs = decode_legs(reply[0])
        return Joined(legs, to_hand_over(map(self._layer.deserialize, reply[1]), legs))

    async def restore(
        self,
        client_id: str,
        owner: Owner,
        legs: dict[str, Leg],
        placing: Container[str] = (),
        identity: str = UNSIGNED,
    ) -> Restored:
        """Write a connection with its calls into Redis again, which may have lost them, or have older data.

        A call in `placing` is about to be opened, and is neither written nor ended.
        """
        if self.owned.refuses(client_id, identity):
            return Restored(None, [])
        times = (round(self._timeouts.ring_seconds * 1000), self._hold_ms(), int(self._may_revive))
        arguments = (client_id, *owner, self._process, *times, identity)
        ended = await self._run("restore", *arguments, *encode_legs(legs, placing))
        if ended is None:
            return Restored(None, [])
        return Restored(await self.join(client_id, owner), self._decode_ended(ended))

    async def release(self, client_id: str, owner: Owner, strays: list[Event], *, hold: Hold) -> Released | None:
        """See `Registry.release`."""
        words = [word for event in strays for word in self._words_of(event)]
        arguments = (client_id, owner.connection_id, int(hold), self._hold_ms(hold), HELD_MESSAGES, HELD_BYTES)
        reply = await self._run("release", *arguments, *words)
        if reply is None:
            return None
        successor, dropped, *ended = reply
        return Released(self._decode_ended(ended), successor.decode() or None, dropped)

    async def deliver_late(self, client_id: str, events: list[Event]) -> list[Event]:
        """See `Registry.deliver_late`."""
        notices = not_overtaken(events)
        words = [
            word
            for event, call_id, state in notices
            for word in (*self._words_of(event), call_id, _ANY_STATE if state is None else state)
        ]
        refused = await self._run(
            "deliver_late", client_id, self._group_of(client_id), HELD_MESSAGES, HELD_BYTES, *words
        )
        return [notices[place].event for place in refused]

    async def evict(self, client_id: str, connection_id: str) -> None:
        """See `Registry.evict`."""
        await self._run("evict", client_id, connection_id, self._hold_ms())

    async def hold(self, client_id: str, event: Event) -> bool:
        """See `Registry.hold`."""
        arguments = (client_id, self._group_of(client_id), HELD_MESSAGES, HELD_BYTES)
        outcome = await self._run("hold", *arguments, *self._words_of(event))
        if outcome == _TOO_MUCH:
            raise RateLimitedError(*TOO_MUCH_HELD)
        return bool(outcome != _CLIENT_GONE)

    async def open_call(self, call_id: str, caller: str, callee: str, *, is_chosen: bool = True) -> str | None:
        """See `Registry.open_call`."""
        ring_ms = round(self._timeouts.ring_seconds * 1000)
        most = self._limits.open_calls_per_client
        outcome, *replaced = await self._run("open_call", call_id, caller, callee, ring_ms, most, int(is_chosen))
        if outcome == b"caller":
            raise UnavailableError
        if outcome == b"target":
            raise TargetNotFoundError
        if outcome == b"used":
            raise InvalidMessageError(USED_CALL_ID)
        if outcome == b"many":
            raise RateLimitedError(*TOO_MANY_CALLS)
        self._note_ended(word.decode() for word in replaced)
        return replaced[0].decode() if replaced else None

    async def advance(self, call_id: str, client_id: str, action: Action) -> Leg:
        """See `Registry.advance`."""
        reply = await self._run("advance", call_id, client_id, *TRANSITION_ROWS[action])
        if reply is None:
            raise CallNotFoundError
        if reply == b"lost":
            raise CallLostError
        leg = decode_leg(reply)
        if TRANSITIONS[action].get((leg.state, leg.role), leg.state) is None:
            self._note_ended([call_id])
        return leg

    async def sweep(self) -> list[Ended]:
        """See `Registry.sweep`."""
        remembered_ms, asks = ENDED_SECONDS * 1000, int(self._evictions.can_ask)
        *found, ended = await self._run("sweep", self._hold_ms(), SWEEP_SIZE, self._process, remembered_ms, asks)
        self._note_sweep(*found)
        return self._decode_ended(ended)

    async def status(self) -> Status:
        """See `Registry.status`."""
        connections, clients, ringing, calls = await self._run("status")
        return Status(connections, clients, ringing, calls - ringing)

    async def who_is_online(self, client_ids: Collection[str]) -> set[str]:
        """See `Registry.who_is_online`."""
        return {client_id.decode() for client_id in await self._run("who_is_online", *client_ids)}

    async def open_calls(self, text: str, most: int) -> OpenCalls:
        """See `Registry.open_calls`."""
        found: dict[str, OpenCall] = {}
        first = 0
        while True:
            # With a text a page at a time: nobody waits for Redis as long as all take together.
            total, *calls = await self._run("open_calls", first, CALLS_PAGE if text else most)
            listed = map(decode_open_call, calls)
            # By their IDs: a call that opens meanwhile moves others to the next page.
            found |= {call.call_id: call for call in listed if is_named(text, call.call_id, call.caller, call.callee)}
            if not text or len(calls) < CALLS_PAGE:
                return OpenCalls(list(found.values())[:most], len(found) if text else total)
            first += CALLS_PAGE

    async def end_call(self, call_id: str, reason: EndReason) -> Ended:
        """See `Registry.end_call`."""
        participants = await self._run("end_call", call_id)
        if participants is None:
            raise CallNotFoundError
        caller, callee = participants
        self._note_ended([call_id])
        return Ended(call_id, reason, (caller.decode(), callee.decode()))

    def _group_of(self, client_id: str) -> str:
        return self._layer.redis_name(group_of(client_id))

    def _words_of(self, event: Event) -> tuple[bytes, int, int]:
        return self._layer.serialize(event), size_of(event), int(is_needed(event))

    def _hold_ms(self, hold: Hold = Hold.FULL) -> int:
        return round(self._timeouts.seconds_of(hold) * 1000)
