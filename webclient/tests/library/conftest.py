"""A server for the library's tests, and clients in browser profiles of their own."""

import secrets
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.support.made_directory import base64url
from tests.support.made_log import DIRECTORY, VECTORS
from tests.support.servers import RunningServer, database_template, server
from tests.support.services import Coturn
from webclient.tests.browsers import called, check, new_page
from webclient.tests.conftest import KEPT_FILES, PAGE_SERVER
from webclient.tests.firefox import Firefox, FirefoxPage
from webclient.tests.firefox_people import FirefoxPerson
from webclient.tests.library.clients import Client, Document
from webclient.tests.library.liar import Liar
from webclient.tests.library.newcomers import AnyPerson, NewProfile
from webclient.tests.library.profiles import ChromiumProfiles, FirefoxProfiles, Profiles
from webclient.tests.library.signer import Signer
from webclient.tests.people import Person

OWNERS = {
    "DIRECTORY_NAME": DIRECTORY,
    "LOG_KEY": base64url(bytes.fromhex(VECTORS["logSeed"])),
    "LOG_VRF_KEY": base64url(bytes.fromhex(VECTORS["vrfSeed"])),
    "LIMIT_NEW_IDENTITIES_PER_HOUR": "0",
    "LIMIT_STATEMENTS_PER_DAY": "0",
    # Nobody has been an owner for a month.
    "VETO_DAYS": "0",
}


def long_in(browser: str) -> pytest.MarkDecorator:
    """Leave one browser to `make long`: for what is the library's own work, or costs a call with pictures in each."""
    marks = {browser: [pytest.mark.long]}
    openers = {"chromium": "open_client", "firefox": "open_firefox_client"}
    params = [pytest.param(opener, id=name, marks=marks.get(name, ())) for name, opener in openers.items()]
    return pytest.mark.parametrize("open_any_client", params, indirect=True)


LONG_IN_CHROMIUM, LONG_IN_FIREFOX = long_in("chromium"), long_in("firefox")

D = TypeVar("D", bound=Document)
D_co = TypeVar("D_co", bound=Document, covariant=True)


class OpenIn(Protocol[D_co]):
    """Makes a client of the library in a browser profile of its own, connected unless told otherwise."""

    async def __call__(
        self, name: str, port: int | None = None, *, connected: bool = True, alters_page: bool = False, **options: Any
    ) -> Client[D_co]:
        """`name` is for the reader; the ID is new for each test.

        `port` is where the server is, if not the shared one. A test that alters its page for longer than a document,
        as a clock of its own does, says so. Options are those of `SecureCall`.
        """


OpenClient = OpenIn[Page]
OpenFirefoxClient = OpenIn[FirefoxPage]
OpenAnyClient = OpenIn[Document]


@pytest.fixture(scope="session")
def library_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server's SQLite file, for what an operator does to it."""
    return Path(shutil.copy(database_template(), tmp_path_factory.mktemp("library") / "db.sqlite3"))


@pytest.fixture(scope="session")
def library_server(coturn_server: Coturn, library_database: Path) -> Iterator[RunningServer]:
    """One process, in memory, with a relay and a public log, where client IDs can belong to keys."""
    relay = {"TURN_SECRET": coturn_server.secrets[0], "TURN_URLS": coturn_server.url("udp")}
    kept = {"DATABASE_URL": f"sqlite:///{library_database}", "LOG_GUARD": str(library_database.with_name("guard"))}
    with server(env={**PAGE_SERVER, **relay, **OWNERS, **kept}, application=KEPT_FILES) as running:
        yield running


@asynccontextmanager
async def clients_on(shared_port: int, profiles: Profiles[D]) -> AsyncIterator[OpenIn[D]]:
    """Make clients in pages of their own; none may throw, or complain unexpectedly."""
    clients: list[Client[D]] = []
    altered: list[D] = []

    async def open_client(
        name: str, port: int | None = None, *, connected: bool = True, alters_page: bool = False, **options: Any
    ) -> Client[D]:
        page = await profiles.take()
        client = Client(f"{name}-{secrets.token_hex(3)}", port or shared_port, page)
        clients.append(client)
        if alters_page:
            altered.append(page)
        await client.starts(**options)
        return await client.connects() if connected else client

    try:
        yield open_client
        errors = [f"{client.id}: {error}" for client in clients for error in await client.unexpected_errors()]
        assert errors + profiles.problems == []
    finally:
        for client in clients:
            await profiles.give_back(client.page, client.port, is_altered=client.page in altered)
        profiles.problems.clear()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium_profiles(chromium: Browser, library_server: RunningServer) -> ChromiumProfiles:
    """Lends pages of Chromium."""
    return ChromiumProfiles(chromium, library_server.port)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def firefox_profiles(firefox: Firefox, library_server: RunningServer) -> FirefoxProfiles:
    """Lends windows of Firefox."""
    return FirefoxProfiles(firefox, library_server.port)


@pytest_asyncio.fixture(loop_scope="session")
async def open_client(chromium_profiles: ChromiumProfiles, library_server: RunningServer) -> AsyncIterator[OpenClient]:
    """Opens documents with nothing but the library, in Chromium."""
    async with clients_on(library_server.port, chromium_profiles) as open_one:
        yield open_one


@pytest_asyncio.fixture(loop_scope="session")
async def open_firefox_client(
    firefox_profiles: FirefoxProfiles, library_server: RunningServer
) -> AsyncIterator[OpenFirefoxClient]:
    """Opens documents with nothing but the library, in Firefox."""
    async with clients_on(library_server.port, firefox_profiles) as open_one:
        yield open_one


@pytest.fixture(params=["open_client", "open_firefox_client"], ids=["chromium", "firefox"])
def open_any_client(request: pytest.FixtureRequest) -> OpenAnyClient:
    """Opens documents with nothing but the library, in each browser in turn."""
    open_one: OpenAnyClient = request.getfixturevalue(request.param)
    return open_one


# In Firefox test_owner.py has the same of the library.
@pytest_asyncio.fixture(loop_scope="session", params=["chromium", pytest.param("firefox", marks=pytest.mark.long)])
async def new_profile(
    request: pytest.FixtureRequest, chromium: Browser, firefox: Firefox, library_server: RunningServer
) -> AsyncIterator[NewProfile]:
    """Makes people who have the demo page, in each browser in turn; none may have met a problem."""
    people: list[AnyPerson] = []

    async def make(name: str, where: RunningServer | None = None) -> AnyPerson:
        server = where or library_server
        if request.param == "chromium":
            people.append(Person(called(name), server, await new_page(chromium)))
        else:
            people.append(FirefoxPerson(f"{name}-{secrets.token_hex(3)}", server, await firefox.new_page()))
        return people[-1]

    yield make
    check(person for person in people if isinstance(person, Person))
    for person in people:
        await (person.page.context.close() if isinstance(person, Person) else person.page.close())


@pytest_asyncio.fixture(loop_scope="session")
async def signer(library_server: RunningServer) -> AsyncIterator[Signer]:
    """A client with another implementation, whose key is in the directory."""
    async with Signer(library_server.ws_url, "sam") as sam:
        await sam.registers()
        await sam.publishes()
        yield sam


@pytest_asyncio.fixture(loop_scope="session")
async def liar(library_server: RunningServer) -> AsyncIterator[Liar]:
    """A server between the page and the shared one, which tells the truth until it is told otherwise."""
    async with Liar.before(library_server.port) as between:
        yield between
