"""The cluster of a server that is one process: there are no others, so each step has nothing to do."""

from signaling.telemetry.snapshot import Snapshot


class SingleProcess:
    """The `Cluster` of one process."""

    is_up: bool | None = None
    is_writable: bool | None = None

    async def start(self) -> None:
        """See `Cluster.start`."""

    async def stop(self) -> None:
        """See `Cluster.stop`."""

    async def renew_lease(self) -> None:
        """See `Cluster.renew_lease`."""

    async def restore_if_due(self) -> None:
        """See `Cluster.restore_if_due`."""

    async def snapshots(self) -> list[Snapshot]:
        """See `Cluster.snapshots`."""
        return []

    async def client_counts(self) -> dict[str, int]:
        """See `Cluster.client_counts`."""
        return {}
