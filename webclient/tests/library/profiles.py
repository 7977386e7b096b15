"""Browser profiles that tests take one after the other: to open one is the most of what a short test costs."""

from typing import Protocol, TypeVar

from playwright.async_api import Browser, Page

from webclient.tests.firefox import Firefox, FirefoxPage
from webclient.tests.library.clients import Document
from webclient.tests.people import FORGET

D = TypeVar("D", bound=Document)


class Profiles(Protocol[D]):
    """Lends a page that nobody else has, in a profile in which nothing is kept, and takes it back."""

    problems: list[str]

    async def take(self) -> D:
        """Return a page; errors that are thrown there are added to `problems` until it is given back."""

    async def give_back(self, page: D, port: int, *, is_altered: bool) -> None:
        """Leave the document of the server on `port`; a page that is altered for longer is closed."""


class ChromiumProfiles:
    """Contexts of Chromium with one page each."""

    def __init__(self, browser: Browser, shared_port: int) -> None:
        self.problems: list[str] = []
        self._browser = browser
        self._shared_port = shared_port
        self._idle: list[Page] = []

    async def take(self) -> Page:
        """Return the page that was given back last, or a new one."""
        if self._idle:
            return self._idle.pop()
        context = await self._browser.new_context(permissions=["camera", "microphone"])
        page = await context.new_page()
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        return page

    async def give_back(self, page: Page, port: int, *, is_altered: bool) -> None:
        """Keep the page for the next test."""
        if is_altered or page.is_closed():
            await page.context.close()
            return
        await empty(page, port, self._shared_port)
        self._idle.append(page)


class FirefoxProfiles:
    """Containers of Firefox with one window each."""

    def __init__(self, browser: Firefox, shared_port: int) -> None:
        self.problems: list[str] = []
        self._browser = browser
        self._shared_port = shared_port
        self._idle: list[FirefoxPage] = []

    async def take(self) -> FirefoxPage:
        """Return the window that was given back last, or a new one."""
        if self._idle:
            return self._idle.pop()
        page = await self._browser.new_page()
        page.on_exception(self.problems.append)
        return page

    async def give_back(self, page: FirefoxPage, port: int, *, is_altered: bool) -> None:
        """Keep the window for the next test."""
        if is_altered:
            await page.close()
            return
        await empty(page, port, self._shared_port)
        self._idle.append(page)


async def empty(page: Document, port: int, shared_port: int) -> None:
    """Leave a document of the server on `port`, and forget what it kept."""
    if port != shared_port:
        # Of another origin than the next one, and its server may be gone.
        await page.evaluate(FORGET)
    await page.goto(f"http://127.0.0.1:{shared_port}/health")
    await page.evaluate(FORGET)
