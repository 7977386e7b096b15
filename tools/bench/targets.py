"""How each server starts, on one core; the load client and Redis have the other."""

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tools.bench.dialects import BARE_RELAY, PEERJS, SECURECALL, Dialect
from tools.bench.load import BenchError

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / "bench" / "peers"
HOST = "127.0.0.1"
START_SECONDS = 30
STOP_SECONDS = 5

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORES, CLIENT_CORES = (set(CORES[:1]), set(CORES[1:2])) if len(CORES) > 1 else (set(CORES), set(CORES))

# Every check stays on; the limits are raised, because forty clients here stand for thousands.
RAISED_LIMITS = {
    "LIMIT_MESSAGE_BURST": "1000000",
    "LIMIT_MESSAGES_PER_SECOND": "1000000",
    "LIMIT_CONNECTIONS_PER_IP": "1000000",
    "LIMIT_NEW_CONNECTIONS_PER_IP_PER_MINUTE": "1000000",
    "LIMIT_OPEN_CALLS_PER_CLIENT": "64",
}

Command = Callable[[int], list[str]]  # from the port


@dataclass(frozen=True, slots=True)
class Target:
    """A server to measure."""

    name: str
    command: Command
    dialect: Dialect
    processes: int = 1
    redis: bool = False
    ours: bool = False
    node: bool = False
    textbook: str = "textbook-memory"  # the textbook's way to the same
    about: str = ""

    def missing(self) -> str:
        """What this machine lacks to run it, in words; empty when nothing."""
        programs = [*(["node", "npm"] if self.node else []), *(["redis-server"] if self.redis else [])]
        absent = [program for program in programs if not shutil.which(program)]
        if absent:
            return f"{' and '.join(absent)} not installed"
        if self.ours and not importlib.util.find_spec("securecall_site.server"):
            return "the server is not there yet"
        return ""


def _python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def _ours_on_daphne(port: int) -> list[str]:
    return _python("-m", "securecall_site.server", "--bind", HOST, "--port", str(port))


def _ours_on_uvicorn(port: int) -> list[str]:
    # docs/settings.md says which; without pings, as the others send none.
    options = "--ws websockets-sansio --ws-per-message-deflate false --ws-max-size 262144 --ws-ping-interval 0"
    options += " --loop uvloop --no-access-log --no-proxy-headers"
    address = ["--host", HOST, "--port", str(port), "--log-level", "warning"]
    return _python("-m", "uvicorn", "securecall_site.asgi:application", *options.split(), *address)


def _textbook(port: int) -> list[str]:
    return _python("-m", "daphne", "-v", "0", "-b", HOST, "-p", str(port), "tools.bench.textbook.app:application")


def _node(script: str) -> Command:
    return lambda port: ["node", str(PEERS / script), str(port)]


def _websockets(port: int) -> list[str]:
    return _python(str(PEERS / "python_websockets.py"), str(port))


TARGETS = {
    target.name: target
    for target in (
        Target("ours-daphne-memory", _ours_on_daphne, SECURECALL, ours=True, about="ours, daphne, in memory"),
        Target(
            "ours-uvicorn-memory",
            _ours_on_uvicorn,
            SECURECALL,
            ours=True,
            about="ours, uvicorn (plain ASGI), in memory",
        ),
        Target(
            "ours-daphne-redis",
            _ours_on_daphne,
            SECURECALL,
            ours=True,
            redis=True,
            textbook="textbook-redis",
            about="ours, daphne, Redis",
        ),
        Target(
            "ours-daphne-redis-2",
            _ours_on_daphne,
            SECURECALL,
            processes=2,
            ours=True,
            redis=True,
            textbook="textbook-redis-2",
            about="ours, two daphne processes, Redis, every call across",
        ),
        Target("textbook-memory", _textbook, SECURECALL, about="textbook, daphne, in memory"),
        Target(
            "textbook-redis",
            _textbook,
            SECURECALL,
            redis=True,
            textbook="textbook-redis",
            about="textbook, daphne, `channels_redis` pub/sub",
        ),
        Target(
            "textbook-redis-2",
            _textbook,
            SECURECALL,
            processes=2,
            redis=True,
            textbook="textbook-redis-2",
            about="textbook, two daphne processes, pub/sub, every call across",
        ),
        Target("peerjs", _node("peerjs.js"), PEERJS, node=True, about="PeerJS server (Node)"),
        Target("node-ws", _node("node_ws.js"), BARE_RELAY, node=True, about="bare relay on `ws` (Node)"),
        Target("python-websockets", _websockets, BARE_RELAY, about="bare relay on `websockets`, uvloop"),
    )
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


def cpu_seconds(process: int) -> float:
    """CPU time of a whole process in ns steps: what clock_getcpuclockid(3) names."""
    return time.clock_gettime((~process << 3) | 2)


def machine_cpu_seconds() -> float:
    """CPU time that all processes on all cores, and other machines on this one's cores, have taken."""
    user, nice, system, _idle, _io_wait, irq, soft_irq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + soft_irq + steal) / os.sysconf("SC_CLK_TCK")


def resident_bytes(process: int) -> int:
    """VmRSS."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def running(target: Target, folder: Path, **settings: str) -> Iterator[Server]:
    """Start a target and end what was started, whatever happens. `folder` holds logs and our database.

    `settings` are environment variables for the server, over those that every benchmark has.
    """
    with contextlib.ExitStack() as stack:
        environment = _environment(target, folder) | settings
        redis, redis_port = [], 0
        if target.redis:
            redis_port = free_port()
            command = ["redis-server", "--port", str(redis_port), "--bind", HOST, "--save", "", "--appendonly", "no"]
            redis.append(stack.enter_context(process(command, folder, "redis", CLIENT_CORES, environment)))
            await_port(redis_port, redis[0], folder / "redis.log")
            environment["REDIS_URL"] = f"redis://{HOST}:{redis_port}/0"
        if target.ours:
            _migrate(folder, environment)
        ports = [free_port() for _ in range(target.processes)]
        processes = []
        for number, port in enumerate(ports):
            command, name = target.command(port), f"{target.name}-{number}"
            child = stack.enter_context(process(command, folder, name, SERVER_CORES, environment))
            processes.append(child)
            await_port(port, child, folder / f"{name}.log")
        yield Server(target, ports, [one.pid for one in processes], [one.pid for one in redis], redis_port)


def install_peers() -> None:
    """Fetch the Node servers' packages once, without a lock file, which would name a registry."""
    if (PEERS / "node_modules" / "peer").exists() and (PEERS / "node_modules" / "ws").exists():
        return
    command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel", "error"]
    subprocess.run(command, cwd=PEERS, check=True, stdout=subprocess.DEVNULL)


def _environment(target: Target, folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "VIRTUAL_ENV"}}
    if not target.ours:
        return kept
    ours = {
        "DATABASE_URL": f"sqlite:///{folder}/db.sqlite3",
        "SECRET_KEY": "only-for-the-benchmark-0123456789abcdefghijklmnopqrstuvwxyz",
        "TURN_SECRET": "only-for-the-benchmark",
        "ALLOWED_HOSTS": HOST,
    }
    return kept | RAISED_LIMITS | ours


def _migrate(folder: Path, environment: dict[str, str]) -> None:
    if not (folder / "db.sqlite3").exists() or not environment["DATABASE_URL"].startswith("sqlite"):
        command = _python("manage.py", "migrate", "--verbosity", "0")
        made = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if made.returncode:
            raise BenchError(f"no database: {made.stderr.strip()[-1000:]}")


@contextlib.contextmanager
def process(
    command: list[str], folder: Path, name: str, cores: set[int], environment: dict[str, str]
) -> Iterator["subprocess.Popen[bytes]"]:
    """A child on these cores, outside this terminal's process group, so that Ctrl-C reaches only us."""
    with (folder / f"{name}.log").open("wb") as log:
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, cores)  # inherited
        try:
            child = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0
            )
        finally:
            os.sched_setaffinity(0, before)
    try:
        yield child
    finally:
        child.kill()  # nothing it holds is wanted, and a graceful stop of 9,800 connections takes time
        child.wait(STOP_SECONDS)


def free_port() -> int:
    """Return a loopback port on which nobody listens now."""
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        return int(sock.getsockname()[1])


def await_port(port: int, child: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until a child listens; raise with the end of its log when it does not."""
    limit = time.monotonic() + START_SECONDS
    while time.monotonic() < limit and child.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        time.sleep(0.05)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    raise BenchError(f"{log.stem} did not start:\n{tail}")
