"""A page in Chromium, and what it complains of."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser, ConsoleMessage, Page

# The console tells of violations too, but not of those that a page's own handler takes back.
REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => console.error(
  `violation of ${event.effectiveDirective}: ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`
));
"""


@dataclass
class Listener:
    """Errors and warnings in a page's console, exceptions, and violations of its content security policy."""

    expected: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def listen(self, page: Page) -> None:
        """Hear everything from now on."""
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.problems.append(f"exception: {error}"))

    def _heard(self, message: ConsoleMessage) -> None:
        text = f"{message.text} {message.location['url']}"
        if message.type in {"error", "warning"} and not any(re.search(pattern, text) for pattern in self.expected):
            self.problems.append(text)


@asynccontextmanager
async def open_page(chromium: Browser, *, expected: tuple[str, ...] = (), **options: Any) -> AsyncIterator[Page]:
    """A page in a profile of its own; on leaving, it must have complained of nothing but what is expected.

    `options` are those of Playwright's `new_context`.
    """
    listener = Listener(list(expected))
    context = await chromium.new_context(**options)
    page = await context.new_page()
    await page.add_init_script(REPORT_VIOLATIONS)
    listener.listen(page)
    yield page
    await context.close()
    assert not listener.problems, "\n".join(listener.problems)
