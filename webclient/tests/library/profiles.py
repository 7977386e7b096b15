"""Browser profiles that tests take one after the other: to open one is the most of what a short test costs."""

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from playwright.async_api import Browser, Page

from webclient.tests.firefox import Firefox, FirefoxPage
from webclient.tests.library.clients import Document
from webclient.tests.people import FORGET, PATIENCE_SECONDS

D = TypeVar("D", bound=Document)


class Profiles(ABC, Generic[D]):
    """Lends a page that nobody else has, in a profile in which nothing is kept, and takes it back.

    Errors that are thrown there are added to `problems` until it is given back.
    """

    def __init__(self, shared_port: int) -> None:
        self.problems: list[str] = []
        self._shared_port = shared_port
        self._idle: list[D] = []

    async def take(self) -> D:
        """Return the page that was given back last, or a new one."""
        return self._idle.pop() if self._idle else await self.open()

    async def give_back(self, page: D, port: int, *, is_altered: bool) -> None:
        """Leave the document of the server on `port`; a page that is altered for longer is closed."""
        if is_altered or self.is_closed(page):
            await self.close(page)
            return
        await empty(page, port, self._shared_port)
        self._idle.append(page)

    @abstractmethod
    async def open(self) -> D:
        """Open a page in a new profile."""

    @abstractmethod
    async def close(self, page: D) -> None:
        """Close a page with its profile."""

    def is_closed(self, _page: D) -> bool:
        """Return whether a test closed the page itself."""
        return False


class ChromiumProfiles(Profiles[Page]):
    """Contexts of Chromium with one page each."""

    def __init__(self, browser: Browser, shared_port: int) -> None:
        super().__init__(shared_port)
        self._browser = browser

    async def open(self) -> Page:
        """Open a page in a new context."""
        context = await self._browser.new_context(permissions=["camera", "microphone"])
        context.set_default_timeout(PATIENCE_SECONDS * 1000)
        page = await context.new_page()
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        return page

    async def close(self, page: Page) -> None:
        """Close a page's context."""
        await page.context.close()

    def is_closed(self, page: Page) -> bool:
        """Return whether a test closed the page itself."""
        return page.is_closed()


class FirefoxProfiles(Profiles[FirefoxPage]):
    """Containers of Firefox with one window each."""

    def __init__(self, browser: Firefox, shared_port: int) -> None:
        super().__init__(shared_port)
        self._browser = browser

    async def open(self) -> FirefoxPage:
        """Open a window in a new container."""
        page = await self._browser.new_page()
        page.on_exception(self.problems.append)
        return page

    async def close(self, page: FirefoxPage) -> None:
        """Close a window with its container."""
        await page.close()


async def empty(page: Document, port: int, shared_port: int) -> None:
    """Leave a document of the server on `port`, and forget what it kept."""
    if port != shared_port:
        # Of another origin than the next one, and its server may be gone.
        await page.evaluate(FORGET)
    await page.goto(f"http://127.0.0.1:{shared_port}/health")
    await page.evaluate(FORGET)
