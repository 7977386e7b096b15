"""The size of a load, and whether this process may open as many files."""

import resource
from dataclasses import dataclass

FILES_BESIDES_CLIENTS = 32


@dataclass(frozen=True, slots=True)
class Plan:
    """The server, the number of clients, and the rates at which they connect and call."""

    url: str
    clients: int
    calls_per_second: float
    seconds: float
    connections_per_second: float
    timeout_seconds: float
    origin: str | None = None


def raise_open_files_limit(clients: int) -> int | None:
    """Let this process open a file a client; returns how many clients there can be when they are too many."""
    wanted = clients + FILES_BESIDES_CLIENTS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted and soft != resource.RLIM_INFINITY:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        soft = allowed
    has_room = soft >= wanted or soft == resource.RLIM_INFINITY
    return None if has_room else max(0, soft - FILES_BESIDES_CLIENTS)
