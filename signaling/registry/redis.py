"""The registry that any number of processes share through Redis. Each step is one script, so it is atomic.

The scripts and the keys are in `scripts/`, one file each, described in `prelude.lua`. Time comes from
`clock`, in seconds; its default follows, from the last connect on, this process' monotonic clock, and starts from
the time of the processes that are there, the first of all from Redis' own. So nobody's wall clock, set anew, can end
everybody's calls.
"""

import asyncio
import hashlib
import logging
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import hiredis

from signaling.delivery.events import FORMAT, Event, group_of, is_needed, size_of
from signaling.delivery.layers import RedisSwitch
from signaling.protocol.calls import HELD_BYTES, HELD_MESSAGES, TRANSITIONS, Action, EndReason, Leg, Role, State
from signaling.protocol.errors import (
    CallNotFoundError,
    InvalidMessageError,
    RateLimitedError,
    TargetNotFoundError,
    UnavailableError,
)
from signaling.protocol.limits import Limits, Timeouts
from signaling.registry.contract import (
    Claim,
    Ended,
    Joined,
    OpenCall,
    OpenCalls,
    Owner,
    Released,
    Status,
    SupersededError,
)
from signaling.registry.rules import (
    ARRIVALS_SECONDS,
    TOO_MANY_CALLS,
    TOO_MUCH_HELD,
    USED_CALL_ID,
)

logger = logging.getLogger(__name__)

# A process that does not renew its lease for this long is dead, and its clients are held.
LEASE_SECONDS = 30
# How many clients or calls one sweep takes on; the next one takes the rest.
SWEEP_SIZE = 500

_SCRIPTS = Path(__file__).parent / "scripts"
_PRELUDE = f"local FORMAT = '{FORMAT}'\n" + (_SCRIPTS / "prelude.lua").read_text()
_CLIENT_GONE, _TOO_MUCH = 0, -1


def registry_prefix(prefix: str) -> str:
    """Return what the names of all records begin with, from the layer's prefix."""
    return f"{prefix}-registry"


class _Script:
    def __init__(self, name: str) -> None:
        self.text = f"{_PRELUDE}\n{(_SCRIPTS / f'{name}.lua').read_text()}"
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


_scripts = {path.stem: _Script(path.stem) for path in _SCRIPTS.glob("*.lua") if path.stem != "prelude"}
# The rows of the table that an action has, as `advance.lua` takes them: one place for the rule.
_ROWS = {
    action: [
        word
        for (state, role), following in rows.items()
        for word in (state.value, role.value, "" if following is None else following.value)
    ]
    for action, rows in TRANSITIONS.items()
}


class RedisRegistry:
    """Presence, calls and held messages of every process on one Redis."""

    def __init__(
        self, switch: RedisSwitch, limits: Limits, timeouts: Timeouts, clock: Callable[[], float] | None = None
    ) -> None:
        self._switch = switch
        self._link = switch.link
        self._limits = limits
        self._timeouts = timeouts
        self._prefix = registry_prefix(switch.prefix)
        self._clock = clock or self._redis_clock
        self._clock_offset = 0.0
        self._epoch = b""
        # What Redis said of the records' format when it was not ours.
        self._strange_format = ""
        # Since the last connect; whoever restores everything says when that is done.
        self.has_lost_everything = False
        self._link.on_connect.append(self._prepare)

    async def admit(self, address: str) -> bool:
        """See `Registry.admit`."""
        limits = self._limits
        admitted = await self._run(
            "admit",
            address,
            self._switch.process,
            limits.connections_per_ip,
            limits.new_connections_per_ip_per_minute,
            ARRIVALS_SECONDS * 1000,
        )
        return bool(admitted)

    async def depart(self, address: str) -> None:
        """See `Registry.depart`."""
        await self._run("depart", address, self._switch.process)

    async def claim(self, client_id: str, owner: Owner, *, is_first: bool = True) -> Claim:
        """See `Registry.claim`."""
        reply = await self._run("claim", client_id, *owner, self._switch.process, int(is_first))
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
        return Joined(_legs(legs), [self._switch.deserialize(event) for event in held])

    async def restore(self, client_id: str, owner: Owner, legs: dict[str, Leg]) -> Joined | None:
        """Make Redis know a connection again that it may have forgotten; as `join`."""
        if not self.has_lost_everything:
            legs = {}
        known = [word for call_id, leg in legs.items() for word in (call_id, leg.role.value, leg.peer, leg.state.value)]
        ring_ms = round(self._timeouts.ring_seconds * 1000)
        await self._run("restore", client_id, *owner, self._switch.process, ring_ms, self._hold_ms, *known)
        return await self.join(client_id, owner)

    async def release(self, client_id: str, owner: Owner, strays: list[Event], *, hold: bool) -> Released | None:
        """See `Registry.release`."""
        arguments: list[Any] = [client_id, owner.connection_id, int(hold), self._hold_ms]
        if strays:
            arguments += [sum(map(size_of, strays)), *map(self._switch.serialize, strays)]
        reply = await self._run("release", *arguments)
        if reply is None:
            return None
        successor, *ended = reply
        return Released([_ended(entry) for entry in ended], successor.decode() or None)

    async def evict(self, client_id: str, connection_id: str) -> None:
        """See `Registry.evict`."""
        await self._run("evict", client_id, connection_id, self._hold_ms)

    async def hold(self, client_id: str, event: Event) -> bool:
        """See `Registry.hold`."""
        outcome = await self._run(
            "hold",
            client_id,
            self._switch.redis_name(group_of(client_id)),
            self._switch.serialize(event),
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
        reply = await self._run("advance", call_id, client_id, *_ROWS[action])
        if reply is None:
            raise CallNotFoundError
        peer, role, state = (value.decode() for value in reply)
        return Leg(peer, Role(role), State(state))

    async def sweep(self) -> list[Ended]:
        """See `Registry.sweep`."""
        return [_ended(entry) for entry in await self._run("sweep", self._hold_ms, SWEEP_SIZE)]

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
        return OpenCalls([_open_call(call) for call in calls], total)

    async def end_call(self, call_id: str, reason: EndReason) -> Ended:
        """See `Registry.end_call`."""
        participants = await self._run("end_call", call_id)
        if participants is None:
            raise CallNotFoundError
        caller, callee = participants
        return Ended(call_id, reason, (caller.decode(), callee.decode()))

    async def processes(self) -> dict[str, int]:
        """Count the registered clients of each process that lives."""
        reply = iter(await self._run("processes"))
        return {process.decode(): clients for process, clients in zip(reply, reply, strict=True)}

    async def formats(self) -> dict[str, int]:
        """Return the format number of each process that lives; 0 for one that gave none."""
        reply = iter(await self._run("formats"))
        return {process.decode(): int(number) for process, number in zip(reply, reply, strict=True)}

    async def renew_lease(self, connections: int, snapshot: bytes = b"") -> bool:
        """Say that this process lives; False when it had been given up for dead, or Redis lost its data.

        `snapshot` is for `snapshots` of any process, until the next one, or the end of the lease.
        """
        is_known, epoch = await self._run(
            "lease", self._switch.process, LEASE_SECONDS * 1000, connections, secrets.token_bytes(8), snapshot
        )
        self._note_epoch(epoch)
        return bool(is_known) and not self.has_lost_everything

    async def recount(self, open_connections: Mapping[str, int]) -> None:
        """Say how many connections this process has from each address, after Redis may have lost count."""
        pairs = [word for pair in open_connections.items() for word in pair]
        await self._run("recount", self._switch.process, *pairs)

    async def end_lease(self) -> None:
        """Say that this process stops; what it still has is held from now on."""
        # As if it had run out long ago: the other processes' clocks may be a little behind this one's.
        await self._run("lease", self._switch.process, -LEASE_SECONDS * 1000, 0, secrets.token_bytes(8), "")

    async def snapshots(self) -> list[bytes]:
        """Return what each process that lives gave with its last lease."""
        snapshots: list[bytes] = await self._run("snapshots")
        return snapshots

    @property
    def _hold_ms(self) -> int:
        return round(self._timeouts.hold_seconds * 1000)

    def _redis_clock(self) -> float:
        return time.monotonic() + self._clock_offset

    async def _run(self, name: str, *arguments: str | bytes | float) -> Any:
        script = _scripts[name]
        rest = (0, self._prefix, round(self._clock() * 1000), *arguments)
        try:
            try:
                return await self._link.call("EVALSHA", script.sha, *rest)
            except hiredis.ReplyError as error:
                if not str(error).startswith("NOSCRIPT"):
                    raise
            return await self._link.call("EVAL", script.text, *rest)
        except hiredis.ReplyError as error:
            # Redis is loading its data, out of memory or read-only, a failover is under way, or another format's
            # records are there.
            self._note_format(str(error))
            raise UnavailableError from error

    def _note_format(self, error: str) -> None:
        if not error.startswith("FORMAT") or error == self._strange_format:
            return
        self._strange_format = error
        logger.error(
            "Redis holds records of %s, and this version knows format %d alone, so clients are told to try again: run "
            'the version that wrote them (docs/scaling.md, "Two versions on one Redis")',
            error.lower(),
            FORMAT,
        )

    async def _prepare(self) -> None:
        call = self._link.call
        epoch = secrets.token_bytes(8)
        loads = [call("SCRIPT", "LOAD", script.text) for script in _scripts.values()]
        clock, skew_ms, known, *_ = await asyncio.gather(
            call("TIME"),
            call("GET", f"{self._prefix}:skew"),
            call("SET", f"{self._prefix}:epoch", epoch, "NX", "GET"),
            *loads,
        )
        now = int(clock[0]) + int(clock[1]) / 1e6 + float(skew_ms or 0) / 1000
        self._clock_offset = now - time.monotonic()
        self._note_epoch(epoch if known is None else known)

    def _note_epoch(self, epoch: bytes) -> None:
        # Whoever comes first after Redis lost its data names a new epoch; the others see that it is not theirs.
        self.has_lost_everything |= bool(self._epoch) and epoch != self._epoch
        self._epoch = epoch


def _ended(entry: list[bytes]) -> Ended:
    call_id, reason, *recipients = (value.decode() for value in entry)
    return Ended(call_id, reason, tuple(recipients))


def _open_call(call: list[Any]) -> OpenCall:
    *names, state, age_ms = call
    call_id, caller, callee = (name.decode() for name in names)
    return OpenCall(call_id, caller, callee, State(state.decode()), age_ms / 1000)


def _legs(flat: list[bytes]) -> dict[str, Leg]:
    words = iter(value.decode() for value in flat)
    return {
        call_id: Leg(peer, Role(role), State(state))
        for call_id, role, peer, state in zip(words, words, words, words, strict=False)
    }
