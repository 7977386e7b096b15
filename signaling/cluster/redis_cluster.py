"""The cluster of several processes on one Redis: leases, the other processes' snapshots, and the link."""

import contextlib
import logging
from collections.abc import Mapping

from signaling.cluster import process_snapshot
from signaling.cluster.members import Members
from signaling.cluster.restore import Restore
from signaling.connections.relay import Relay
from signaling.connections.returns import note_unknown
from signaling.delivery.events import KNOWN_FORMAT
from signaling.delivery.redis_layer import RedisLoopLayer
from signaling.protocol.errors import UnavailableError
from signaling.registry.redis import RedisRegistry
from signaling.telemetry.readings import Minutes
from signaling.telemetry.snapshot import Snapshot

logger = logging.getLogger(__name__)


class RedisCluster:
    """The `Cluster` of the processes that share a Redis."""

    def __init__(
        self, layer: RedisLoopLayer, registry: RedisRegistry, relay: Relay, members: Members, minutes: Minutes
    ) -> None:
        self._layer = layer
        self._link = layer.link
        self._registry = registry
        self._members = members
        self._minutes = minutes
        self._restore = Restore(layer, registry, relay, members, self._lease)
        # The format numbers of processes of other versions.
        self._other_formats: set[int] = set()

    @property
    def is_up(self) -> bool | None:
        """See `Cluster.is_up`."""
        return self._link.is_up

    @property
    def is_writable(self) -> bool | None:
        """See `Cluster.is_writable`."""
        return self._link.is_writable

    async def start(self) -> None:
        """See `Cluster.start`."""
        await self._link.start(self._restore)

    async def stop(self) -> None:
        """See `Cluster.stop`."""
        with contextlib.suppress(UnavailableError):
            await self._registry.end_lease()
        await self._link.stop()

    async def renew_lease(self) -> None:
        """See `Cluster.renew_lease`."""
        if not await self._lease():
            # Another process gave this one up, or Redis lost its data: its clients are held, or unknown.
            self._restore.is_due = True

    async def restore_if_due(self) -> None:
        """See `Cluster.restore_if_due`."""
        await self._restore.restore_if_due()

    async def snapshots(self) -> list[Snapshot]:
        """Read the other processes' snapshots from their leases in Redis."""
        snapshots = [Snapshot.decode(text) for text in await self._registry.snapshots()]
        if None in snapshots:
            note_unknown({"type": "a snapshot"})
        return [one for one in snapshots if one is not None and one.process != self._layer.process]

    async def client_counts(self) -> dict[str, int]:
        """Read the number of registered clients of each process from the leases in Redis."""
        return await self._registry.processes()

    async def _lease(self) -> bool:
        # A process that reads the snapshot has it from Redis, but the link is up only when `reconnected` has ended.
        snapshot = process_snapshot.describe(
            self._members.connections(), self._layer.process, self._minutes, process_snapshot.REACHED
        )
        is_known = await self._registry.renew_lease(len(self._members), snapshot.encode())
        self._note_formats(await self._registry.formats())
        return is_known

    def _note_formats(self, formats: Mapping[str, int]) -> None:
        others = set(formats.values()) - {KNOWN_FORMAT}
        if others - self._other_formats:
            found = ", ".join(map(str, sorted(others)))
            sentence = "Processes of another version are on this Redis: format %s, and %d here"
            logger.warning(sentence, found, KNOWN_FORMAT)
        self._other_formats = others
