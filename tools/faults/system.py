"""Several server processes on one Redis, to be killed, stopped and looked at from outside."""

import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis

from tests.support.servers import ROOT, RunningServer, server
from tests.support.services import RedisServer, redis_server

# What remains in Redis for as long as processes live, and what goes by itself.
OF_PROCESSES = frozenset(
    {
        *("processes", "connections", "snapshot", "epoch", "arrivals", "skew", "format", "formats"),
        *("ended", "swept", "quiet"),
    }
)
# Every check stays on; few addresses stand for thousands here.
RAISED = {
    "LIMIT_MESSAGE_BURST": "100000",
    "LIMIT_MESSAGES_PER_SECOND": "100000",
    "LIMIT_CONNECTIONS_PER_IP": "100000",
    "LIMIT_NEW_CONNECTIONS_PER_IP_PER_MINUTE": "1000000",
    "LIMIT_HTTP_REQUESTS_PER_IP_PER_MINUTE": "1000000",
}


class System:
    """Starts processes; `doors` are the URLs of those that accept connections."""

    def __init__(self, stack: ExitStack, redis: RedisServer, env: Mapping[str, str]) -> None:
        self.redis = redis
        self.doors: list[str] = []
        self._stack = stack
        self._env = {**RAISED, "REDIS_URL": redis.url, **env}

    def start(self, code: Path = ROOT, env: Mapping[str, str] | None = None) -> RunningServer:
        """Start one more process, of the version whose code is there; `env` is for it alone."""
        running = self._stack.enter_context(server(env={**self._env, **(env or {})}, cwd=code))
        self.doors.append(running.ws_url)
        return running

    def close_door(self, running: RunningServer) -> None:
        """Send no new client to this process, as a load balancer does before a deploy stops it."""
        self.doors.remove(running.ws_url)

    def connections_to_redis(self) -> int:
        """Count the processes that Redis believes to be there."""
        with redis.Redis.from_url(self.redis.url) as client:
            return int(client.info("clients")["connected_clients"]) - 1

    def left_in_redis(self) -> Counter[str]:
        """Count the registry's keys by kind, without those that live as long as a process."""
        with redis.Redis.from_url(self.redis.url) as client:
            kinds = Counter(key.decode().split(":")[1] for key in client.scan_iter("securecall-registry:*"))
        return Counter({kind: count for kind, count in kinds.items() if kind not in OF_PROCESSES})


@contextmanager
def system(env: Mapping[str, str] | None = None) -> Iterator[System]:
    """Give a system with a Redis of its own, and end all its processes; `env` is for them."""
    with redis_server() as own, ExitStack() as stack:
        yield System(stack, own, env or {})


def new_id(name: str) -> str:
    """Make a client ID that no other client has."""
    return f"{name}-{secrets.token_hex(8)}"


def resident_bytes(running: RunningServer) -> int:
    """Return the resident memory of a process."""
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def open_files(running: RunningServer) -> int:
    """Count the open file descriptors of a process."""
    return sum(1 for _ in Path(f"/proc/{running.process.pid}/fd").iterdir())


def threads(running: RunningServer) -> int:
    """Count the threads of a process."""
    return sum(1 for _ in Path(f"/proc/{running.process.pid}/task").iterdir())
