"""A server for the library's tests, and clients in browser profiles of their own."""

import secrets
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.servers import RunningServer, database_template, server
from tests.services import Coturn
from webclient.tests.conftest import PAGE_SERVER
from webclient.tests.library.clients import ClientPage


class OpenClient(Protocol):
    """Makes a client of the library in a browser profile of its own, connected unless told otherwise."""

    async def __call__(
        self, name: str, port: int | None = None, *, connected: bool = True, **options: Any
    ) -> ClientPage:
        """`name` is for the reader; the ID is new for each test.

        `port` is where the server is, if not the shared one. Options are those of `SecureCall`.
        """


@pytest.fixture(scope="session")
def library_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server's SQLite file, for what an operator does to it."""
    return Path(shutil.copy(database_template(), tmp_path_factory.mktemp("library") / "db.sqlite3"))


@pytest.fixture(scope="session")
def library_server(coturn_server: Coturn, library_database: Path) -> Iterator[RunningServer]:
    """One process, in memory, with a relay."""
    relay = {"TURN_SECRET": coturn_server.secrets[0], "TURN_URLS": coturn_server.url("udp")}
    with server(env={**PAGE_SERVER, **relay, "DATABASE_URL": f"sqlite:///{library_database}"}) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def open_client(chromium: Browser, library_server: RunningServer) -> AsyncIterator[OpenClient]:
    """Opens documents with nothing but the library; at the end none must have thrown, or complained unexpectedly."""
    problems: list[str] = []
    people: list[ClientPage] = []
    async with AsyncExitStack() as stack:

        async def open_document(
            name: str, port: int | None = None, *, connected: bool = True, **options: Any
        ) -> ClientPage:
            context = await chromium.new_context(permissions=["camera", "microphone"])
            stack.push_async_callback(context.close)
            page = await context.new_page()
            page.on("pageerror", lambda error: problems.append(f"{name}: {error}"))
            person = ClientPage(f"{name}-{secrets.token_hex(3)}", port or library_server.port, page)
            await person.starts(**options)
            people.append(person)
            return await person.connects() if connected else person

        yield open_document
        problems += [f"{person.id}: {error}" for person in people for error in await person.unexpected_errors()]
    assert not problems
