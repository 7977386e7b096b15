"""The servers that the socket tests share, and the people who meet there."""

import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from functools import cache
from typing import Any, Protocol

import pytest

from pkd.keys import base64url
from pkd.tests.owners import DIRECTORY
from tests.support import made_log
from tests.support.people import Person, Target
from tests.support.servers import Kind, RunningServer, database_template, server

TURN_SECRET = "a secret between the signaling server and its relay"
TURN_URLS = ("turn:relay.example.com:3478?transport=udp", "turns:relay.example.com:5349?transport=tcp")

# Many tests share one server and one address: its limits must not be what they meet.
SHARED = {
    "LIMIT_MESSAGE_BURST": "100000",
    "LIMIT_PKD_LOOKUPS_PER_MINUTE": "0",
    "LIMIT_PKD_REGISTERS_PER_MINUTE": "0",
    "LIMIT_CONNECTIONS_PER_IP": "0",
    "LIMIT_NEW_CONNECTIONS_PER_IP_PER_MINUTE": "0",
    "LIMIT_HTTP_REQUESTS_PER_IP_PER_MINUTE": "0",
    # Who knows nothing of owners sees what it always saw.
    "DIRECTORY_NAME": DIRECTORY,
    "LIMIT_NEW_IDENTITIES_PER_HOUR": "0",
    "ALLOWED_ORIGINS": "https://app.example.com",
    "TURN_SECRET": f"{TURN_SECRET}, the secret before it",
    "TURN_URLS": ",".join(TURN_URLS),
}

# In a name ending in "two", the people are connected to two processes.
TARGETS = ("ours-memory", "ours-redis", "ours-redis-two")
# For what a server has a part in: how frames are read and connections end.
MEMORY_TARGETS = ("ours-memory", "uvicorn-memory", "daphne-memory")

Start = Callable[[Kind, str, int], RunningServer]


class Join(Protocol):
    """Connects and registers a person."""

    async def __call__(self, name: str, where: RunningServer, **options: Any) -> Person:
        """`name` is for the reader; the ID is new unless `client_id` gives one."""


@pytest.fixture(scope="session")
def start(redis_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts a shared server at its first use; the number tells processes of one kind apart."""
    running: dict[tuple[Kind, str, int], RunningServer] = {}

    @cache
    def system() -> dict[str, str]:
        """Return the variables that all processes on Redis share."""
        database = shutil.copy(database_template(), tmp_path_factory.mktemp("system") / "db.sqlite3")
        return {"REDIS_URL": redis_database(), "DATABASE_URL": f"sqlite:///{database}"}

    with ExitStack() as stack:

        def start_once(kind: Kind, registry: str, number: int) -> RunningServer:
            place = (kind, registry, number)
            if place not in running:
                env = SHARED | (system() if registry == "redis" else {})
                running[place] = stack.enter_context(server(kind, env=env))
            return running[place]

        yield start_once


@pytest.fixture(scope="session", params=TARGETS)
def target(request: pytest.FixtureRequest, start: Start) -> Target:
    """Our server with every registry; a test may name others, such as uvicorn-memory."""
    kind, registry, *others = request.param.split("-")
    return Target(request.param, start(kind, registry, 0), start(kind, registry, len(others)))


@pytest.fixture(scope="session")
def strict_server() -> Iterator[RunningServer]:
    """A server as it is without a setting, for those who want to meet its limits; no relay, 30 clients an address."""
    env = {"LIMIT_CONNECTIONS_PER_IP": "30", "LIMIT_NEW_CONNECTIONS_PER_IP_PER_MINUTE": "0"}
    with server(env=env) as running:
        yield running


@pytest.fixture(scope="session")
def owning(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with the public log of the vectors' keys."""
    env = {
        "DEBUG": "1",
        "DIRECTORY_NAME": DIRECTORY,
        "LOG_KEY": base64url(bytes.fromhex(made_log.VECTORS["logSeed"])),
        "LOG_VRF_KEY": base64url(bytes.fromhex(made_log.VECTORS["vrfSeed"])),
        "LOG_GUARD": str(tmp_path_factory.mktemp("guard") / "guard"),
    }
    with server(env=env) as running:
        yield running


@pytest.fixture
async def join() -> AsyncIterator[Join]:
    """Connects people; they leave at the end of the test."""
    async with AsyncExitStack() as stack:

        async def connect(
            name: str, where: RunningServer, *, client_id: str | None = None, registered: bool = True, **options: Any
        ) -> Person:
            identity = client_id or f"{name}-{secrets.token_hex(6)}"
            person = await stack.enter_async_context(Person(where.ws_url, identity, **options))
            return await person.registers() if registered else person

        yield connect


@pytest.fixture
async def alice(join: Join, target: Target) -> Person:
    """Connected here."""
    return await join("alice", target.here)


@pytest.fixture
async def bob(join: Join, target: Target) -> Person:
    """Connected there, which is another process where there are two."""
    return await join("bob", target.there)


@pytest.fixture
async def carol(join: Join, target: Target) -> Person:
    """An outsider, connected here."""
    return await join("carol", target.here)


@pytest.fixture
async def stranger(join: Join, target: Target) -> Person:
    """Connected, but not registered."""
    return await join("stranger", target.here, registered=False)
