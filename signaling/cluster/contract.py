"""The contract of a cluster: what a node asks of the processes that serve clients together.

`single_process.py` keeps it for a server that is one process, `redis_cluster.py` for processes on one Redis.
"""

from typing import Protocol

from signaling.telemetry.snapshot import Snapshot


class Cluster(Protocol):
    """The processes that serve clients together, as this one sees them."""

    @property
    def is_up(self) -> bool | None:
        """Return whether the other processes can be reached; None for a server that is one process."""

    @property
    def is_writable(self) -> bool | None:
        """Return whether what the processes share takes writes; None for a server that is one process."""

    async def start(self) -> None:
        """Connect, once, and announce this process' clients to the others after every connect."""

    async def stop(self) -> None:
        """Withdraw this process, so that the others hold its clients from now on, and disconnect."""

    async def renew_lease(self) -> None:
        """Tell the others that this process lives, with its snapshot; raises `UnavailableError`."""

    async def restore_if_due(self) -> None:
        """Announce this process' clients again if the others gave them up; raises `UnavailableError`."""

    async def snapshots(self) -> list[Snapshot]:
        """Return the other processes' snapshots, as of their last lease; raises `UnavailableError`."""

    async def client_counts(self) -> dict[str, int]:
        """Count the registered clients of each process that lives, by process; raises `UnavailableError`."""
