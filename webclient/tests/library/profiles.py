"""Browser profiles that tests take one after the other: to open one is the most of what a short test costs."""

from typing import Protocol, TypeVar

from playwright.async_api import Browser, Page

from webclient.tests.firefox import Firefox, FirefoxPage
from webclient.tests.library.clients import Document

# What the library keeps in a browser. A database is deleted once nothing has it open, which the document before had.
FORGET = """
async () => {
  sessionStorage.clear();
  for (const { name } of await indexedDB.databases()) {
    await new Promise((resolve, reject) => {
      Object.assign(indexedDB.deleteDatabase(name), { onsuccess: resolve, onerror: reject });
    });
  }
}
"""

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
        await page.goto(health(self._shared_port))
        await page.evaluate(FORGET)
        if port != self._shared_port:
            session = await page.context.new_cdp_session(page)
            origin = {"origin": f"http://127.0.0.1:{port}", "storageTypes": "all"}
            await session.send("Storage.clearDataForOrigin", origin)
            await session.detach()
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
        """Keep the window for the next test, if it can be emptied: WebDriver BiDi empties no other origin."""
        if is_altered or port != self._shared_port:
            await page.close()
            return
        await page.goto(health(self._shared_port))
        await page.evaluate(FORGET)
        self._idle.append(page)


def health(port: int) -> str:
    """Return the URL of a document without a script, of the origin that the library is loaded from."""
    return f"http://127.0.0.1:{port}/health"
