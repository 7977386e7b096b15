"""A process among those that share a Redis: its lease, its clock, and what it tells the others of itself."""

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping

from signaling.delivery.redis_layer import RedisLoopLayer
from signaling.registry.redis_records import decode_counts
from signaling.registry.redis_scripts import Scripts

# A process that does not renew its lease for this long is dead, and its clients are held.
LEASE_SECONDS = 30


def registry_prefix(prefix: str) -> str:
    """Return the prefix of all records' keys, from the channel layer's."""
    return f"{prefix}-registry"


class RedisLeases:
    """A process' lease, and the scripts that go by its clock, in seconds.

    By default the clock follows, from the last connect on, this process' monotonic clock, and starts from the time of
    the processes that are there, the first of all from Redis' own: a wall clock that is set anew ends no calls.

    `has_lost_everything` says that Redis lost its data since this process was restored; `Restore` clears it.
    """

    def __init__(self, layer: RedisLoopLayer, clock: Callable[[], float] | None) -> None:
        self._link = layer.link
        self._process = layer.process
        self._prefix = registry_prefix(layer.prefix)
        self._scripts = Scripts(layer.link, self._prefix, clock or self._redis_clock)
        self._run = self._scripts.run
        self._clock_offset = 0.0
        self._epoch = b""
        self.has_lost_everything = False

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

    async def renew_lease(self, connections: int, snapshot: bytes = b"") -> bool:
        """Renew this process' lease; return False if another process gave it up, or Redis lost its data.

        `snapshots` of any process returns `snapshot`, until the next one, or the end of the lease.
        """
        is_known, epoch = await self._run(
            "lease", self._process, LEASE_SECONDS * 1000, connections, secrets.token_bytes(8), snapshot
        )
        self._note_epoch(epoch)
        return bool(is_known) and not self.has_lost_everything

    async def end_lease(self) -> None:
        """End this process' lease: the others hold its clients from now on."""
        # As if it had run out long ago: the other processes' clocks may be a little behind this one's.
        await self._run("lease", self._process, -LEASE_SECONDS * 1000, 0, secrets.token_bytes(8), "")

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

    def _note_epoch(self, epoch: bytes) -> None:
        # The first process that connects after Redis lost its data sets a new epoch; the others see that it changed.
        self.has_lost_everything |= bool(self._epoch) and epoch != self._epoch
        self._epoch = epoch
