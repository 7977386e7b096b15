"""How soon a line that died without a word is found, and what a page that is left does."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.support.people import Person, new_call_id
from tests.support.servers import RunningServer
from tests.support.services.process import executable
from webclient.tests.browsers import CHROMIUM_OPTIONS
from webclient.tests.library.clients import Client
from webclient.tests.library.conftest import OpenAnyClient, OpenClient
from webclient.tests.library.liar import Liar
from webclient.tests.library.network import Line
from webclient.tests.library.signer import OFFER

LEFT_SECONDS = 20

pytestmark = pytest.mark.asyncio(loop_scope="session")


# What tells a page that its line may be dead: without it, it asks after 30 s and waits 10 s for an answer.
SIGNS = {
    "is shown again": "() => { dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true })); }",
    "has a network": "() => { dispatchEvent(new Event('online')); }",
    "wakes up": "() => { const now = Date.now; Date.now = () => now() + 60_000; }",
}


async def test_dead_line_is_found_when_the_device_tells(
    open_any_client: OpenAnyClient, library_server: RunningServer
) -> None:
    async with Line.to(library_server.port) as line:
        alice = await open_any_client("alice", line.port)
        for sign in SIGNS.values():
            line.go_deaf()
            await alice.does(sign)
            await alice.expects("signaling", state="waiting")
            line.mend()
            await alice.does("client.retryNow()")
            await alice.expects("signaling", state="online")


async def test_dead_line_is_found_when_the_kind_of_network_changes(
    open_client: OpenClient, library_server: RunningServer
) -> None:
    async with Line.to(library_server.port) as line:
        alice = await open_client("alice", line.port)
        line.go_deaf()
        await alice.does("() => { navigator.connection.dispatchEvent(new Event('change')); }")
        await alice.expects("signaling", state="waiting")


async def test_dead_line_is_found_while_a_call_rings(open_client: OpenClient, library_server: RunningServer) -> None:
    async with Line.to(library_server.port) as line, Person(library_server.ws_url, secrets.token_hex(8)) as bob:
        await bob.registers()
        alice = await open_client("alice", line.port)
        call_id = new_call_id()
        await bob.send("CALL_INITIATE", targetId=alice.id, sdpOffer=OFFER, callId=call_id)
        await alice.expects("call", state="incoming")
        line.go_deaf()
        await bob.send("CALL_END", callId=call_id)
        await alice.expects("signaling", state="waiting")
        line.mend()
        await alice.does("client.retryNow()")
        await alice.expects("call", state="ended", reason="cancelled")


async def test_heartbeat_that_was_too_many_is_an_answer(open_client: OpenClient, liar: Liar) -> None:
    """A server that slows a client down is there."""
    alice = await open_client("alice", liar.port, heartbeatIntervalMs=200)
    liar.refuses("HEARTBEAT", *[{"code": "RATE_LIMITED", "retryAfterMs": 1_000}] * 100)
    asked = len(liar.heard("HEARTBEAT"))
    await alice.does("client.retryNow()")
    await liar.hears("HEARTBEAT", asked + 20)
    assert await alice.does("client.signaling.state") == "online"


async def test_server_that_refuses_the_page_is_told_from_one_that_is_away(
    liar: Liar, open_any_client: OpenAnyClient
) -> None:
    alice = await open_any_client("alice", liar.port, connected=False)
    liar.shuts_out()
    await alice.does("() => { client.connect().catch(() => {}); }")
    refused = await alice.expects("signaling", state="waiting", isRefused=True)
    assert f"It may not allow pages from http://127.0.0.1:{liar.port}:" in refused["sentence"]
    await alice.does("() => { window.fetch = async () => { throw new TypeError('away'); }; client.retryNow(); }")
    await alice.expects("signaling", state="waiting")
    await alice.does("client.disconnect()")
    assert await alice.does("events.filter(({ isRefused }) => isRefused).length") == 1


@pytest_asyncio.fixture(loop_scope="session")
async def remembering_chromium() -> AsyncIterator[Browser]:
    """A Chromium with its back/forward cache, which Playwright switches off."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=executable("chromium", "chromium"),
            args=CHROMIUM_OPTIONS,
            ignore_default_args=["--disable-back-forward-cache"],
        )
        yield browser
        await browser.close()


async def test_page_that_is_left_is_offline_and_online_when_it_comes_back(
    remembering_chromium: Browser, library_server: RunningServer
) -> None:
    page = await remembering_chromium.new_page()
    alice = await Client(f"alice-{secrets.token_hex(3)}", library_server.port, page).starts()
    await alice.connects()
    await page.evaluate("addEventListener('pageshow', ({ persisted }) => { window.wasKept = persisted; })")
    async with Person(library_server.ws_url, secrets.token_hex(8)) as bob:
        await bob.registers()
        await page.goto(f"{library_server.http_url}/demo/")
        async with asyncio.timeout(LEFT_SECONDS):
            while not await is_missing(bob, alice.id):
                await asyncio.sleep(0.1)
    # What comes out of the cache loads nothing.
    await page.go_back(wait_until="commit")
    await alice.until("client.signaling.state === 'online'")
    assert await page.evaluate("wasKept") is True


async def is_missing(bob: Person, callee: str) -> bool:
    call_id = new_call_id()
    await bob.send("CALL_INITIATE", targetId=callee, sdpOffer=OFFER, callId=call_id)
    await bob.send("HEARTBEAT")
    message = await bob.next_message()
    if message["type"] == "ERROR":
        assert message["payload"]["code"] == "TARGET_NOT_FOUND"
        await bob.expects("HEARTBEAT_ACK")
        return True
    await bob.send("CALL_END", callId=call_id)
    return False
