"""One Chromium and one Firefox for all tests of a process, and people with profiles of their own in Chromium.

A plugin of the root's conftest.py: a browser takes seconds to start, wherever the tests that use it stand.
"""

import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from typing import Any, Protocol

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from tests.support.servers import RunningServer
from tests.support.services import NotInstalledError, skip_or_fail
from tests.support.services.process import executable
from webclient.tests.firefox import Firefox, start_firefox
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
