"""Somebody with the page open in a browser of their own."""

import re

from playwright.async_api import ConsoleMessage, Page

from tests.servers import RunningServer


class Person:
    """Sees the page as people do, by its headings, labels and buttons; hears what it complains of."""

    def __init__(self, client_id: str, where: RunningServer, page: Page) -> None:
        self.id = client_id
        self.where = where
        self.page = page
        self.problems: list[str] = []
        self._expected: list[str] = []
        # A violation of the content security policy is an error in the console, too.
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.problems.append(f"exception: {error}"))

    def expects_problem(self, pattern: str) -> None:
        """Let the console hold an error that the browser itself writes, such as a refused connection."""
        self._expected.append(pattern)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not any(re.search(p, message.text) for p in self._expected):
            self.problems.append(message.text)

    async def opens(self, path: str = "/demo/") -> "Person":
        """Load a page of the site."""
        await self.page.goto(self.where.http_url + path)
        return self
