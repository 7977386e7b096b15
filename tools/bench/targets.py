"""The servers that are measured, and how each is started."""

import importlib.util
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.servers import UVICORN_OPTIONS
from tools.bench.dialects import BARE_RELAY, PEERJS, SECURECALL, Dialect
from tools.bench.processes import HOST

PEERS = Path(__file__).resolve().parent / "peers"

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
        """Return in words what this machine lacks to run it; empty when nothing."""
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
    options = [*UVICORN_OPTIONS, "--loop", "uvloop", "--log-level", "warning"]
    return _python("-m", "uvicorn", "securecall_site.asgi:application", "--host", HOST, "--port", str(port), *options)


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
