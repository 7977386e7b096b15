"""A target that runs: its processes, its database and its Redis."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import servers
from tests.support.services import redis_server
from tests.support.services.process import free_port
from tools.bench.processes import (
    CLIENT_CORES,
    SERVER_CORES,
    await_port,
    cpu_seconds,
    on_cores,
    process,
    resident_bytes,
)
from tools.bench.targets import PEERS, Target

# Every check stays on; the limits are raised, because forty clients here stand for thousands.
RAISED_LIMITS = {
    "LIMIT_MESSAGE_BURST": "1000000",
    "LIMIT_MESSAGES_PER_SECOND": "1000000",
    "LIMIT_CONNECTIONS_PER_IP": "1000000",
    "LIMIT_NEW_CONNECTIONS_PER_IP_PER_MINUTE": "1000000",
    "LIMIT_OPEN_CALLS_PER_CLIENT": "64",
}


@dataclass(slots=True)
class Server:
    """A running target: its processes, and apart from them Redis and a proxy in front."""

    target: Target
    ports: list[int]
    processes: list[int]
    redis: list[int] = field(default_factory=list)
    redis_port: int = 0
    proxy: list[int] = field(default_factory=list)

    def cpu_seconds(self) -> float:
        """User and system time of the server's processes so far."""
        return sum(map(cpu_seconds, self.processes))

    def redis_cpu_seconds(self) -> float:
        """The same of Redis."""
        return sum(map(cpu_seconds, self.redis))

    def proxy_cpu_seconds(self) -> float:
        """The same of the proxy."""
        return sum(map(cpu_seconds, self.proxy))

    def resident_bytes(self) -> int:
        """Resident memory of the server's processes."""
        return sum(map(resident_bytes, self.processes))


@contextlib.contextmanager
def running(target: Target, folder: Path, **settings: str) -> Iterator[Server]:
    """Start a target and end what was started, whatever happens. `folder` holds logs and our database.

    `settings` are environment variables for the server, over those that every benchmark has.
    """
    with contextlib.ExitStack() as stack:
        environment = _environment(target, folder, settings)
        redis, redis_port = [], 0
        if target.redis:
            with on_cores(CLIENT_CORES):
                own = stack.enter_context(redis_server())
            redis, redis_port = [own.pid], own.port
            environment["REDIS_URL"] = own.url
        ports = [free_port() for _ in range(target.processes)]
        processes = []
        for number, port in enumerate(ports):
            command, name = target.command(port), f"{target.name}-{number}"
            child = stack.enter_context(process(command, folder, name, SERVER_CORES, environment))
            processes.append(child.pid)
            await_port(port, child, folder / f"{name}.log")
        yield Server(target, ports, processes, redis, redis_port)


def install_peers() -> None:
    """Fetch the Node servers' packages once, without a lock file, which would name a registry."""
    if (PEERS / "node_modules" / "peer").exists() and (PEERS / "node_modules" / "ws").exists():
        return
    command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel", "error"]
    subprocess.run(command, cwd=PEERS, check=True, stdout=subprocess.DEVNULL)


def _environment(target: Target, folder: Path, settings: dict[str, str]) -> dict[str, str]:
    """Return what a target's processes find in their environment; ours find a migrated database there."""
    if not target.ours:
        return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ} | settings
    database = folder / "db.sqlite3"
    ours = servers.environment(database, RAISED_LIMITS | {"TURN_SECRET": "only-for-the-benchmark"} | settings)
    if "DATABASE_URL" in settings:
        servers.migrate(ours)
    elif not database.exists():
        shutil.copy(servers.database_template(), database)
    return ours
