"""The ring tone in a browser that keeps pages silent until somebody touches them."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.support.people import OFFER, new_call_id
from tests.support.people import Person as Caller
from tests.support.services.process import executable
from webclient.tests.browsers import CHROMIUM_OPTIONS, called, new_page
from webclient.tests.conftest import Site
from webclient.tests.people import PATIENCE_SECONDS, Person

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def strict_chromium() -> AsyncIterator[Browser]:
    """A Chromium as people have it: the others let pages make a sound at once."""
    options = [option for option in CHROMIUM_OPTIONS if not option.startswith("--autoplay-policy")]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable("chromium", "chromium"), args=options)
        yield browser
        await browser.close()


async def rings(caller: Caller, callee: str) -> str:
    """Call somebody as soon as the server knows them."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            call_id = new_call_id()
            await caller.send("CALL_INITIATE", targetId=callee, sdpOffer=OFFER, callId=call_id)
            await caller.send("HEARTBEAT")
            if (await caller.next_message())["type"] == "HEARTBEAT_ACK":
                return call_id
            await caller.expects("HEARTBEAT_ACK")
            await asyncio.sleep(0.1)


async def test_ring_tone_that_the_browser_keeps_silent_is_told(strict_chromium: Browser, memory_site: Site) -> None:
    bob = Person(called("bob"), memory_site.here, await new_page(strict_chromium))
    # Whoever opens a link has not touched the page; what a test evaluates there would count as that.
    session = await bob.page.context.new_cdp_session(bob.page)
    await session.send("Page.navigate", {"url": f"{memory_site.here.http_url}/demo/?name={bob.id}"})
    async with Caller(memory_site.here.ws_url, called("alice")) as alice:
        await alice.registers()
        call_id = await rings(alice, bob.id)
        silent = "document.getElementById('incoming-silent')?.hidden === false"
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (await session.send("Runtime.evaluate", {"expression": silent}))["result"]["value"]:
                await asyncio.sleep(0.1)
        await bob.page.mouse.click(5, 5)
        await expect(bob.page.locator("#incoming-silent")).to_be_hidden()
        ringing = bob.page.get_by_role("alertdialog", name=f"{alice.id} is calling")
        await expect(ringing).to_be_visible()
        await alice.send("CALL_END", callId=call_id)
        await expect(ringing).to_be_hidden()
    # Chromium says it in the console for each tone.
    assert {problem.split(". ")[0] for problem in bob.problems} == {"The AudioContext was not allowed to start"}
