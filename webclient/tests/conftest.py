"""One Chromium and one Firefox for all tests, the servers they talk to, and people with profiles of their own."""

import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from tests.support.servers import RunningServer, database_template, server
from tests.support.services import Coturn, NotInstalledError, skip_or_fail
from tests.support.services.process import executable
from webclient.tests.firefox import Firefox, start_firefox
from webclient.tests.firefox_people import FirefoxPerson
from webclient.tests.gallery import IS_DRAWN, Gallery
from webclient.tests.people import KEEP_PEER_CONNECTIONS, PATIENCE_SECONDS, Person
from webclient.tests.portrait import write_portrait

CHROMIUM_OPTIONS = [
    "--no-sandbox",  # which a container without user namespaces, or root, does not offer
    # A microphone that beeps and a camera that counts; who may use them is said for each person.
    "--use-fake-device-for-media-stream=fps=10",
    # Both ends of a call are on this machine.
    "--allow-loopback-in-peer-connection",
    "--autoplay-policy=no-user-gesture-required",
    # Nothing but the test's own page asks the network for anything.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
]

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


class Visit(Protocol):
    """Opens the page as a person with a browser profile of their own."""

    async def __call__(self, name: str, where: RunningServer, **options: Any) -> Person:
        """`name` is for the reader; the ID is new for each test. Options are those of Playwright's `new_context`."""


@pytest.fixture(scope="session")
def gallery() -> Gallery:
    """Looks at the states of the page."""
    return Gallery()


@pytest.fixture(scope="session")
def camera_options(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the options that say what the fake camera shows."""
    if not IS_DRAWN:
        return []
    return [f"--use-file-for-fake-video-capture={write_portrait(tmp_path_factory.mktemp('camera') / 'portrait.y4m')}"]


class Meet(Protocol):
    """Brings a person who is registered and in no call, perhaps from an earlier test."""

    async def __call__(self, name: str, where: RunningServer) -> Person:
        """`name` is for the reader and tells people on one server apart."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium(camera_options: list[str]) -> AsyncIterator[Browser]:
    """The distribution's Chromium; Playwright brings its driver, not its own browsers."""
    try:
        program = executable("chromium", "chromium")
    except NotInstalledError as missing:
        skip_or_fail(missing)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=[*CHROMIUM_OPTIONS, *camera_options])
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def firefox() -> AsyncIterator[Firefox]:
    """The distribution's Firefox."""
    async with AsyncExitStack() as stack:
        try:
            browser = await stack.enter_async_context(start_firefox())
        except NotInstalledError as missing:
            skip_or_fail(missing)
        yield browser


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
                here = stack.enter_context(server(env=env))
                yield Site(here, here)
            else:
                env |= own_database() | {"REDIS_URL": redis_database()}
                yield Site(*(stack.enter_context(server(env=env)) for _ in range(2)))

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


async def new_page(chromium: Browser, **options: Any) -> Page:
    """Open a page in a profile of its own."""
    context = await chromium.new_context(**{"permissions": ["camera", "microphone"]} | options)
    context.set_default_timeout(PATIENCE_SECONDS * 1000)
    await context.add_init_script(KEEP_PEER_CONNECTIONS)
    return await context.new_page()


def called(name: str) -> str:
    """Return a new ID for each test; in a picture a name is a name."""
    return name if IS_DRAWN else f"{name}-{secrets.token_hex(3)}"


def check(people: Iterable[Person]) -> None:
    """Demand consoles free of errors and of violations of the policy; each problem is told once."""
    problems = {person.id: person.problems.copy() for person in people if person.problems}
    for person in people:
        person.problems.clear()
    assert not problems


@pytest.fixture(scope="session")
def idle_pages() -> list[Page]:
    """Return the pages that tests before opened, in profiles in which nothing is kept but files of the site."""
    return []


@pytest_asyncio.fixture(loop_scope="session")
async def visit(chromium: Browser, idle_pages: list[Page]) -> AsyncIterator[Visit]:
    """Opens pages; at the end each must have been free of problems."""
    people: list[Person] = []
    others: list[Person] = []

    async def open_page(name: str, where: RunningServer, **options: Any) -> Person:
        is_used = idle_pages and not options
        page = idle_pages.pop() if is_used else await new_page(chromium, **options)
        (others if options else people).append(person := Person(called(name), where, page))
        return person

    yield open_page
    idle_pages.extend([await person.leaves() for person in people if not person.page.is_closed()])
    for person in others:
        await person.page.context.close()
    check([*people, *others])


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
