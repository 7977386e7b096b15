"""Real Sentinels that watch a primary and its replica, and put the replica in its place when it is gone."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis

from tests.support.services import process
from tests.support.services.redis import RedisServer, answers, redis_server

NAME = "calls"
DOWN_AFTER_MS = 1000


class Sentinels:
    """A primary, a replica, and the Sentinels that watch them."""

    def __init__(self, primary: RedisServer, replica: RedisServer, ports: list[int]) -> None:
        self.primary, self.replica = primary, replica
        self._ports = ports

    @property
    def url(self) -> str:
        """Return the URL for `REDIS_URL`."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self._ports)
        return f"redis+sentinel://{hosts}/{NAME}/0"

    def is_watched(self) -> bool:
        """Return whether every Sentinel knows the replica and the other Sentinels, so that they can fail over."""
        for port in self._ports:
            with redis.Redis(port=port, decode_responses=True) as sentinel:
                found = sentinel.sentinel_master(NAME)
                if found["num-slaves"] < 1 or found["num-other-sentinels"] < len(self._ports) - 1:
                    return False
                if not all(one["master-link-status"] == "ok" for one in sentinel.sentinel_slaves(NAME)):
                    return False
        return True


@contextmanager
def sentinels(count: int) -> Iterator[Sentinels]:
    """Run a primary, a replica and so many Sentinels while the block runs."""
    with ExitStack() as stack:
        primary = stack.enter_context(redis_server())
        replica = stack.enter_context(redis_server())
        with redis.Redis(port=replica.port) as client:
            client.replicaof("127.0.0.1", primary.port)
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="securecall-sentinels-")))
        yield Sentinels(primary, replica, [_start(stack, directory, primary.port, count) for _ in range(count)])


def _start(stack: ExitStack, directory: Path, primary: int, count: int) -> int:
    program = process.executable("redis-server", "redis-server")

    def start_on(port: int) -> tuple[int, "subprocess.Popen[bytes]"]:
        # It writes to this file what it finds out.
        configuration = directory / f"{port}.conf"
        configuration.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {directory}\n"
            f"sentinel monitor {NAME} 127.0.0.1 {primary} {count // 2 + 1}\n"
            f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}\nsentinel failover-timeout {NAME} 5000\n"
        )
        command = [program, str(configuration), "--sentinel"]
        return port, process.start(command, directory / f"{port}.log", lambda pid: answers(port, pid))

    port, started = process.on_free_port(start_on)
    stack.callback(process.stop, started)
    return port
