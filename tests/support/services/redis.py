"""A real Redis that keeps nothing on disk."""

import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import redis

from tests.support.services import process


class RedisServer:
    """A Redis whose address survives `stop` and `start`, so that a test can take it away and give it back."""

    def __init__(self, directory: Path, options: Mapping[str, str] | None = None) -> None:
        self._program = process.executable("redis-server", "redis-server")
        self._directory = directory
        self._options = dict(options or {})
        self._process: subprocess.Popen[bytes] | None = None
        self.port = process.on_free_port(self._start_on)

    @property
    def url(self) -> str:
        """Return the URL for `REDIS_URL`."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """Return the number of the process that runs."""
        if self._process is None:
            raise ProcessLookupError("Redis is stopped.")
        return self._process.pid

    def start(self) -> None:
        """Start again on the same port, empty."""
        self._start_on(self.port)

    def stop(self) -> None:
        """End the server; its connections break and new ones are refused."""
        if self._process is not None:
            # A program that hangs would not see that it is to stop.
            self.go_on()
            process.stop(self._process)
            self._process = None

    def hang(self) -> None:
        """Stop answering, with connections open and data kept, until `go_on`."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End what `hang` began."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _start_on(self, port: int) -> int:
        options = {
            "bind": "127.0.0.1",
            "port": str(port),
            "dir": str(self._directory),
            "save": "",
            "appendonly": "no",
            **self._options,
        }
        command = [self._program, *(word for name, value in options.items() for word in (f"--{name}", value))]
        self._process = process.start(command, self._directory / "redis.log", lambda pid: answers(port, pid))
        return port


@contextmanager
def redis_server(**options: str) -> Iterator[RedisServer]:
    """Run a Redis while the block runs; `options` are lines of its configuration, with underscores for hyphens."""
    with tempfile.TemporaryDirectory(prefix="securecall-redis-") as directory:
        named = {name.replace("_", "-"): value for name, value in options.items()}
        server = RedisServer(Path(directory), named)
        try:
            yield server
        finally:
            server.stop()


def answers(port: int, pid: int) -> bool:
    """Return whether the process of this ID is the Redis, or the Sentinel, that answers at a port."""
    with redis.Redis(port=port) as client:
        try:
            # Another Redis may have been quicker to take the port.
            return bool(client.info("server")["process_id"] == pid)
        except redis.RedisError:
            return False
