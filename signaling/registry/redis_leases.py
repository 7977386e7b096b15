"""A process among those that share a Redis: its lease, its clock, and what it tells the others of itself."""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from signaling.delivery.redis_layer import RedisLoopLayer
from signaling.protocol.limits import Limits
from signaling.registry.outcomes import Ended
from signaling.registry.redis_evictions import Evictions
from signaling.registry.redis_records import decode_counts, decode_ended
from signaling.registry.redis_scripts import Scripts
from signaling.registry.rules import ARRIVALS_SECONDS

# How long a call that ended is remembered, here and in Redis, so that nobody revives it.
ENDED_SECONDS = 120
# How far the clocks of processes may differ.
TOLERANCE_MS = 500
# After a loss of data the sweeps end nothing for so long: the other processes connect again meanwhile. Once in a while.
QUIET_SECONDS, NEXT_QUIET_SECONDS = 5, 30
# A process that does not renew its lease for this long is dead, and its clients are held.
LEASE_SECONDS = 30


def registry_prefix(prefix: str) -> str:
    """Return the prefix of all records' keys, from the channel layer's."""
    return f"{prefix}-registry"


class RedisLeases:
    """A process' lease, and the scripts that go by its clock, in seconds.

    By default the clock follows, from the last connect on, this process' monotonic clock, and starts from the time of
    the processes that are there, the first of all from Redis' own: a wall clock that is set anew ends no calls.

    `has_lost_data` says that Redis lost data since this process was restored, and `is_behind` that something of this
    process may not be there; `Restore` clears both.
    """

    def __init__(self, layer: RedisLoopLayer, limits: Limits, clock: Callable[[], float] | None) -> None:
        self._limits = limits
        self._link = layer.link
        self._process = layer.process
        self._prefix = registry_prefix(layer.prefix)
        self._scripts = Scripts(layer.link, self._prefix, clock or self._redis_clock)
        self._run = self._scripts.run
        self._clock_offset = 0.0
        self._epoch = b""
        # What the last sweep wrote, and when it did, on the monotonic clock.
        self._monotonic = clock or time.monotonic
        self._swept_ms, self._heard_at = 0, self._monotonic()
        # The calls that this process ended lately, each with when, oldest first.
        self._ended: deque[tuple[float, str]] = deque()
        self._evictions = Evictions()
        self._quiet_seconds = 0
        self.has_lost_data = self.is_behind = False

    async def prepare(self) -> None:
        """Load the scripts, set the clock, and compare Redis' epoch with the last one seen; after each connect."""
        call = self._link.call
        epoch = secrets.token_bytes(8)
        clock, skew_ms, swept_ms, known, _, _ = await asyncio.gather(
            call("TIME"),
            call("GET", f"{self._prefix}:skew"),
            call("GET", f"{self._prefix}:swept"),
            call("SET", f"{self._prefix}:epoch", epoch, "NX", "GET"),
            self._scripts.load(),
            self._evictions.begin(self._link),
        )
        now = int(clock[0]) + int(clock[1]) / 1e6 + float(skew_ms or 0) / 1000
        self._clock_offset = now - time.monotonic()
        # The first connect follows no loss that this process would know of.
        self._quiet_seconds = QUIET_SECONDS if self._epoch else 0
        self._note_epoch(epoch if known is None else known)
        # A snapshot, or a replica that lagged, has the same epoch.
        self.has_lost_data |= int(swept_ms or 0) < self._swept_ms - TOLERANCE_MS

    async def renew_lease(self, connections: int, snapshot: bytes = b"") -> bool:
        """Renew this process' lease; return False if another process gave it up, or Redis lost its data.

        `snapshots` of any process returns `snapshot`, until the next one, or the end of the lease.
        """
        is_known, epoch = await self._run(
            "lease", self._process, LEASE_SECONDS * 1000, connections, secrets.token_bytes(8), snapshot
        )
        self._note_epoch(epoch)
        return bool(is_known) and not self.has_lost_data

    async def end_lease(self) -> None:
        """End this process' lease: the others hold its clients from now on."""
        # As if it had run out long ago: the other processes' clocks may be a little behind this one's.
        await self._run("lease", self._process, -LEASE_SECONDS * 1000, 0, secrets.token_bytes(8), "")

    async def end_again(self) -> None:
        """Tell Redis of the calls that this process ended lately, as it may have them still."""
        self._note_ended(())
        await self._run("end_again", *(call_id for _, call_id in self._ended))

    async def let_go(self, connection_ids: Iterable[str], hold_seconds: float) -> None:
        """Hold the clients that Redis takes for those of this process, and that none of its connections has.

        For a while sweeps end nothing: the other processes have yet to restore their clients.
        """
        times = (round(hold_seconds * 1000), self._quiet_seconds * 1000, NEXT_QUIET_SECONDS * 1000)
        await self._run("let_go", self._process, *times, *connection_ids)

    async def admit(self, address: str) -> bool:
        """See `Registry.admit`."""
        limits = self._limits
        admitted = await self._run(
            "admit",
            address,
            self._process,
            limits.connections_per_ip,
            limits.new_connections_per_ip_per_minute,
            ARRIVALS_SECONDS * 1000,
        )
        return bool(admitted)

    async def depart(self, address: str) -> None:
        """See `Registry.depart`."""
        await self._run("depart", address, self._process)

    def note_loss(self) -> None:
        """See `Registry.note_loss`."""
        self.is_behind = True

    async def recount(self, open_connections: Mapping[str, int]) -> None:
        """Set how many connections this process has from each address, as Redis may have lost count."""
        pairs = [word for pair in open_connections.items() for word in pair]
        await self._run("recount", self._process, *pairs)

    async def snapshots(self) -> list[bytes]:
        """Return the snapshot that each process that lives gave with its last lease."""
        snapshots: list[bytes] = await self._run("snapshots")
        return snapshots

    async def processes(self) -> dict[str, int]:
        """Count the registered clients of each process that lives."""
        return decode_counts(await self._run("processes"))

    async def formats(self) -> dict[str, int]:
        """Return the format number of each process that lives; 0 for one that gave none."""
        return decode_counts(await self._run("formats"))

    def _redis_clock(self) -> float:
        return time.monotonic() + self._clock_offset

    @property
    def _may_revive(self) -> bool:
        """Whether a call that Redis has not was lost; else it ended longer ago than that is remembered."""
        return self.has_lost_data or self._monotonic() - self._heard_at < ENDED_SECONDS - LEASE_SECONDS

    def _note_ended(self, call_ids: Iterable[str]) -> None:
        now = self._monotonic()
        self._ended.extend((now, call_id) for call_id in call_ids)
        while self._ended and self._ended[0][0] < now - ENDED_SECONDS:
            self._ended.popleft()

    def _decode_ended(self, entries: list[list[bytes]]) -> list[Ended]:
        ended = [decode_ended(entry) for entry in entries]
        self._note_ended(call.call_id for call in ended)
        return ended

    def _note_sweep(self, swept_ms: int, epoch: bytes, is_known: int, evicted: int) -> None:
        """Compare what a sweep found with what this process wrote."""
        self._swept_ms, self._heard_at = swept_ms, self._monotonic()
        self._note_epoch(epoch)
        self.is_behind |= self._evictions.note(evicted) or self.has_lost_data or not is_known
        self._link.note_write()

    def _note_epoch(self, epoch: bytes) -> None:
        # The first process that connects after Redis lost its data sets a new epoch; the others see that it changed.
        self.has_lost_data |= bool(self._epoch) and epoch != self._epoch
        if epoch:
            self._epoch = epoch
