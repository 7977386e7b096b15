"""The registry that any number of processes share through Redis: each step is one script, so it is atomic.

Time comes from `clock`, in seconds. By default it follows, from the last connect on, this process' monotonic clock,
and starts from the time of the processes that are there, the first of all from Redis' own: a wall clock that is set
anew ends no calls.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from signaling.delivery.events import Event, group_of, is_needed, size_of
from signaling.delivery.redis_layer import RedisLoopLayer
from signaling.protocol.calls import HELD_BYTES, HELD_MESSAGES, Action, EndReason, Leg
from signaling.protocol.errors import (
    CallNotFoundError,
    InvalidMessageError,
    RateLimitedError,
    TargetNotFoundError,
    UnavailableError,
)
from signaling.protocol.limits import Limits, Timeouts
from signaling.registry.contract import Claim, Ended, Joined, OpenCalls, Owner, Released, Status, SupersededError
from signaling.registry.redis_records import (
    TRANSITION_ROWS,
    decode_counts,
    decode_ended,
    decode_leg,
    decode_legs,
    decode_open_call,
    encode_legs,
)
from signaling.registry.redis_scripts import Scripts
from signaling.registry.rules import ARRIVALS_SECONDS, TOO_MANY_CALLS, TOO_MUCH_HELD, USED_CALL_ID

# A process that does not renew its lease for this long is dead, and its clients are held.
LEASE_SECONDS = 30
# How many clients or calls one sweep ends; the next one ends the rest.
SWEEP_SIZE = 500

_CLIENT_GONE, _TOO_MUCH = 0, -1


def registry_prefix(prefix: str) -> str:
    """Return the prefix of all records' keys, from the channel layer's."""
    return f"{prefix}-registry"


class RedisRegistry:
    """The `Registry` of every process on one Redis, and their leases.

    `has_lost_everything` says that Redis lost its data since this process was restored; who restores it clears it.
    """

    def __init__(
        self, layer: RedisLoopLayer, limits: Limits, timeouts: Timeouts, clock: Callable[[], float] | None = None
    ) -> None:
        self._layer = layer
        self._link = layer.link
        self._limits = limits
        self._timeouts = timeouts
        self._prefix = registry_prefix(layer.prefix)
        self._scripts = Scripts(layer.link, self._prefix, clock or self._redis_clock)
        self._run = self._scripts.run
        self._clock_offset = 0.0
        self._epoch = b""
        self.has_lost_everything = False

    async def admit(self, address: str) -> bool:
        """See `Registry.admit`."""
        limits = self._limits
        admitted = await self._run(
            "admit",
            address,
            self._layer.process,
            limits.connections_per_ip,
            limits.new_connections_per_ip_per_minute,
            ARRIVALS_SECONDS * 1000,
        )
        return bool(admitted)

    async def depart(self, address: str) -> None:
        """See `Registry.depart`."""
        await self._run("depart", address, self._layer.process)

    async def claim(self, client_id: str, owner: Owner, *, is_first: bool = True) -> Claim:
        """See `Registry.claim`."""
        reply = await self._run("claim", client_id, *owner, self._layer.process, int(is_first))
        if reply is None:
            raise SupersededError
        holder, displaced = (value.decode() or None for value in reply)
        return Claim(holder, displaced)

    async def join(self, client_id: str, owner: Owner) -> Joined | None:
        """See `Registry.join`."""
        reply = await self._run("join", client_id, owner.connection_id)
        if reply is None:
            return None
        legs, held = reply
        return Joined(decode_legs(legs), [self._layer.deserialize(event) for event in held])

    async def restore(self, client_id: str, owner: Owner, legs: dict[str, Leg]) -> Joined | None:
        """Write a connection into Redis again, which may have lost it; return as `join` does."""
        if not self.has_lost_everything:
            legs = {}
        ring_ms = round(self._timeouts.ring_seconds * 1000)
        await self._run("restore", client_id, *owner, self._layer.process, ring_ms, self._hold_ms, *encode_legs(legs))
        return await self.join(client_id, owner)

    async def release(self, client_id: str, owner: Owner, strays: list[Event], *, hold: bool) -> Released | None:
        """See `Registry.release`."""
        arguments: list[Any] = [client_id, owner.connection_id, int(hold), self._hold_ms]
        if strays:
            arguments += [sum(map(size_of, strays)), *map(self._layer.serialize, strays)]
        reply = await self._run("release", *arguments)
        if reply is None:
            return None
        successor, *ended = reply
        return Released([decode_ended(entry) for entry in ended], successor.decode() or None)

    async def evict(self, client_id: str, connection_id: str) -> None:
        """See `Registry.evict`."""
        await self._run("evict", client_id, connection_id, self._hold_ms)

    async def hold(self, client_id: str, event: Event) -> bool:
        """See `Registry.hold`."""
        outcome = await self._run(
            "hold",
            client_id,
            self._layer.redis_name(group_of(client_id)),
            self._layer.serialize(event),
            size_of(event),
            int(is_needed(event)),
            HELD_MESSAGES,
            HELD_BYTES,
        )
        if outcome == _TOO_MUCH:
            raise RateLimitedError(*TOO_MUCH_HELD)
        return bool(outcome != _CLIENT_GONE)

    async def open_call(self, call_id: str, caller: str, callee: str) -> None:
        """See `Registry.open_call`."""
        ring_ms = round(self._timeouts.ring_seconds * 1000)
        outcome = await self._run("open_call", call_id, caller, callee, ring_ms, self._limits.open_calls_per_client)
        if outcome == b"caller":
            raise UnavailableError
        if outcome == b"target":
            raise TargetNotFoundError
        if outcome == b"used":
            raise InvalidMessageError(USED_CALL_ID)
        if outcome == b"many":
            raise RateLimitedError(*TOO_MANY_CALLS)

    async def advance(self, call_id: str, client_id: str, action: Action) -> Leg:
        """See `Registry.advance`."""
        reply = await self._run("advance", call_id, client_id, *TRANSITION_ROWS[action])
        if reply is None:
            raise CallNotFoundError
        return decode_leg(reply)

    async def sweep(self) -> list[Ended]:
        """See `Registry.sweep`."""
        return [decode_ended(entry) for entry in await self._run("sweep", self._hold_ms, SWEEP_SIZE)]

    async def status(self) -> Status:
        """See `Registry.status`."""
        connections, clients, ringing, calls = await self._run("status")
        return Status(connections, clients, ringing, calls - ringing)

    async def who_is_online(self, client_ids: Collection[str]) -> set[str]:
        """See `Registry.who_is_online`."""
        return {client_id.decode() for client_id in await self._run("who_is_online", *client_ids)}

    async def open_calls(self, name: str, most: int) -> OpenCalls:
        """See `Registry.open_calls`."""
        total, *calls = await self._run("open_calls", name, most)
        return OpenCalls([decode_open_call(call) for call in calls], total)

    async def end_call(self, call_id: str, reason: EndReason) -> Ended:
        """See `Registry.end_call`."""
        participants = await self._run("end_call", call_id)
        if participants is None:
            raise CallNotFoundError
        caller, callee = participants
        return Ended(call_id, reason, (caller.decode(), callee.decode()))

    async def processes(self) -> dict[str, int]:
        """Count the registered clients of each process that lives."""
        return decode_counts(await self._run("processes"))

    async def formats(self) -> dict[str, int]:
        """Return the format number of each process that lives; 0 for one that gave none."""
        return decode_counts(await self._run("formats"))

    async def renew_lease(self, connections: int, snapshot: bytes = b"") -> bool:
        """Renew this process' lease; return False if another process gave it up, or Redis lost its data.

        `snapshots` of any process returns `snapshot`, until the next one, or the end of the lease.
        """
        is_known, epoch = await self._run(
            "lease", self._layer.process, LEASE_SECONDS * 1000, connections, secrets.token_bytes(8), snapshot
        )
        self._note_epoch(epoch)
        return bool(is_known) and not self.has_lost_everything

    async def recount(self, open_connections: Mapping[str, int]) -> None:
        """Set how many connections this process has from each address, as Redis may have lost count."""
        pairs = [word for pair in open_connections.items() for word in pair]
        await self._run("recount", self._layer.process, *pairs)

    async def end_lease(self) -> None:
        """End this process' lease: the others hold its clients from now on."""
        # As if it had run out long ago: the other processes' clocks may be a little behind this one's.
        await self._run("lease", self._layer.process, -LEASE_SECONDS * 1000, 0, secrets.token_bytes(8), "")

    async def snapshots(self) -> list[bytes]:
        """Return the snapshot that each process that lives gave with its last lease."""
        snapshots: list[bytes] = await self._run("snapshots")
        return snapshots

    @property
    def _hold_ms(self) -> int:
        return round(self._timeouts.hold_seconds * 1000)

    def _redis_clock(self) -> float:
        return time.monotonic() + self._clock_offset

    async def prepare(self) -> None:
        """Load the scripts, set the clock, and compare Redis' epoch with the last one seen; after each connect."""
        call = self._link.call
        epoch = secrets.token_bytes(8)
        clock, skew_ms, known, _ = await asyncio.gather(
            call("TIME"),
            call("GET", f"{self._prefix}:skew"),
            call("SET", f"{self._prefix}:epoch", epoch, "NX", "GET"),
            self._scripts.load(),
        )
        now = int(clock[0]) + int(clock[1]) / 1e6 + float(skew_ms or 0) / 1000
        self._clock_offset = now - time.monotonic()
        self._note_epoch(epoch if known is None else known)

    def _note_epoch(self, epoch: bytes) -> None:
        # The first process that connects after Redis lost its data sets a new epoch; the others see that it changed.
        self.has_lost_everything |= bool(self._epoch) and epoch != self._epoch
        self._epoch = epoch
