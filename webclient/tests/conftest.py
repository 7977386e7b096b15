"""The servers that pages talk to, and the people who meet there."""

import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Protocol

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.support.servers import RunningServer, database_template, server
from tests.support.services import Coturn
from webclient.tests.browsers import called, check, new_page
from webclient.tests.firefox import Firefox
from webclient.tests.firefox_people import FirefoxPerson
from webclient.tests.people import KEEP_PEER_CONNECTIONS, Person

# Every page loads some hundred files.
KEPT_FILES = "tests.support.kept_files:application"
# One browser is one address: its limits must not be what the tests meet.
PAGE_SERVER = {
    "DEBUG": "1",
    "LIMIT_CONNECTIONS_PER_IP": "0",
    "LIMIT_NEW_CONNECTIONS_PER_IP_PER_MINUTE": "0",
    "LIMIT_HTTP_REQUESTS_PER_IP_PER_MINUTE": "0",
    "LIMIT_PKD_LOOKUPS_PER_MINUTE": "0",
    # A page that is loaded anew on a busy machine.
    "HOLD_GOING_AWAY_SECONDS": "60",
}


@dataclass(frozen=True)
class Site:
    """Servers of pages: `here`, and `there`, which is another process of the same system if there are two."""

    here: RunningServer
    there: RunningServer


# Pages hear nothing of the registry.
REGISTRIES = ("memory", pytest.param("two-on-redis", marks=pytest.mark.long))


class Meet(Protocol):
    """Brings a person who is registered and in no call, perhaps from an earlier test."""

    async def __call__(self, name: str, where: RunningServer) -> Person:
        """`name` is for the reader and tells people on one server apart."""


@pytest.fixture(scope="session")
def relay(coturn_server: Coturn) -> dict[str, str]:
    """A server's variables for a relay that takes what the server mints."""
    return {"TURN_SECRET": coturn_server.secrets[0], "TURN_URLS": coturn_server.url("tcp")}


@pytest.fixture(scope="session")
def own_database(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], dict[str, str]]:
    """Makes the variables of a new database, which several servers can share and which outlives them."""

    def variables() -> dict[str, str]:
        database = shutil.copy(database_template(), tmp_path_factory.mktemp("system") / "db.sqlite3")
        return {"DATABASE_URL": f"sqlite:///{database}"}

    return variables


StartSite = Callable[[str, dict[str, str]], AbstractContextManager[Site]]


@pytest.fixture(scope="session")
def start_site(
    relay: dict[str, str], own_database: Callable[[], dict[str, str]], redis_database: Callable[[], str]
) -> StartSite:
    """Starts one process with its registry in memory, or two that share Redis, with some variables of their own."""

    @contextmanager
    def start(registry: str, variables: dict[str, str]) -> Iterator[Site]:
        env = PAGE_SERVER | relay | variables
        with ExitStack() as stack:
            if registry == "memory":
                here = stack.enter_context(server(env=env, application=KEPT_FILES))
                yield Site(here, here)
            else:
                env |= own_database() | {"REDIS_URL": redis_database()}
                yield Site(*(stack.enter_context(server(env=env, application=KEPT_FILES)) for _ in range(2)))

    return start


@pytest.fixture(scope="session")
def memory_site(start_site: StartSite) -> Iterator[Site]:
    """One process with its registry in memory."""
    with start_site("memory", {}) as started:
        yield started


@pytest.fixture(scope="session", params=REGISTRIES)
def site(request: pytest.FixtureRequest, start_site: StartSite) -> Iterator[Site]:
    """Every kind of server that a page may meet."""
    if request.param == "memory":
        yield request.getfixturevalue("memory_site")
        return
    with start_site(request.param, {}) as started:
        yield started


@pytest.fixture(scope="session", params=REGISTRIES)
def impatient_site(request: pytest.FixtureRequest, start_site: StartSite) -> Iterator[Site]:
    """Every kind of server, with timeouts that a test can wait for."""
    with start_site(request.param, {"RING_TIMEOUT_SECONDS": "3", "HEARTBEAT_TIMEOUT_SECONDS": "2"}) as started:
        yield started


@pytest.fixture(scope="session")
def server_with_wrong_secret(start_site: StartSite) -> Iterator[RunningServer]:
    """A server whose secret is not the relay's."""
    with start_site("memory", {"TURN_SECRET": "not the secret of the relay"}) as started:
        yield started.here


@pytest.fixture(scope="session")
def known_people() -> dict[tuple[int, str], Person]:
    """Return the people who keep the page open between tests: opening it is the most of what a short test costs."""
    return {}


@pytest_asyncio.fixture(loop_scope="session")
async def meet(chromium: Browser, known_people: dict[tuple[int, str], Person]) -> AsyncIterator[Meet]:
    """Brings people who are registered and in no call; at the end each must have been free of problems."""
    people: list[Person] = []

    async def bring(name: str, where: RunningServer) -> Person:
        place = (where.port, name)
        if place not in known_people:
            known_people[place] = Person(called(name), where, await new_page(chromium))
        people.append(known_people[place])
        return await people[-1].gets_ready()

    yield bring
    check(people)


@pytest_asyncio.fixture(loop_scope="session")
async def alice(site: Site, meet: Meet) -> Person:
    """Registered here."""
    return await meet("alice", site.here)


@pytest_asyncio.fixture(loop_scope="session")
async def bob(site: Site, meet: Meet) -> Person:
    """Registered there, which is another process where there are two."""
    return await meet("bob", site.there)


@pytest_asyncio.fixture(loop_scope="session")
async def fox(firefox: Firefox, memory_site: Site) -> AsyncIterator[FirefoxPerson]:
    """Registered, in Firefox; the page must not complain."""
    page = await firefox.new_page()
    await page.add_init_script(KEEP_PEER_CONNECTIONS)
    yield await FirefoxPerson(f"fox-{secrets.token_hex(3)}", memory_site.here, page).enters()
    await page.close()
    assert page.problems == []
