"""How long real browsers take to check answers of the public log, each in the library that applications load."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import async_playwright

from securecall_client.transparency import Log
from tests.support.servers import server
from tests.support.services.process import executable
from webclient.tests.firefox import start_firefox
from webclient.tests.library.clients import Document

# The first ones, for which a browser compiles the code and imports the keys, are among those that are measured.
CHECK = """
async ({ log, answers }) => {
  const { readProved } = await import("/static/webclient/securecall/record/check.js");
  const root = Uint8Array.from(log.root.match(/../g), (digits) => parseInt(digits, 16));
  const took = [];
  for (const answer of answers) {
    const known = { vkey: log.vkey, tree: { size: log.size, root } };
    const begin = performance.now();
    await readProved({ clientId: answer.clientId, log: known, pinned: {}, now: Date.now() }, async () => answer);
    took.push((performance.now() - begin) / 1000);
  }
  return took;
}
"""


@asynccontextmanager
async def _chromium_page() -> AsyncIterator[Document]:
    """Run the distribution's Chromium while the block runs."""
    async with async_playwright() as playwright:
        # A sandbox is what a container without user namespaces, or root, does not offer.
        options = ["--no-sandbox", "--disable-background-networking"]
        browser = await playwright.chromium.launch(executable_path=executable("chromium", "chromium"), args=options)
        yield await browser.new_page()
        await browser.close()


@asynccontextmanager
async def _firefox_page() -> AsyncIterator[Document]:
    """Run the distribution's Firefox while the block runs."""
    async with start_firefox() as browser:
        yield await browser.new_page()


BROWSERS = {"Chromium": _chromium_page, "Firefox": _firefox_page}


async def seconds_to_check(known: Log, answers: Sequence[dict[str, Any]]) -> dict[str, list[float]]:
    """Check `answers` knowing the tree of `known`; return the seconds of each, by browser, or raise for a refusal."""
    log = {"vkey": known.vkey, "size": known.size, "root": known.root.hex()}
    took: dict[str, list[float]] = {}
    # One that shows the library's files as they are; those of a deploy would have to be collected.
    with server(env={"DEBUG": "1"}) as files:
        for browser, opens in BROWSERS.items():
            async with opens() as page:
                await page.goto(f"{files.http_url}/health")
                took[browser] = await page.evaluate(CHECK, {"log": log, "answers": list(answers)})
    return took
