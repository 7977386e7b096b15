"""A peer's newer call wins over its own older one, and calls that cross become one."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.people import Person, new_call_id
from tests.support.servers import RunningServer
from webclient.tests.library.clients import ClientPage
from webclient.tests.library.conftest import OpenClient
from webclient.tests.library.liar import Liar, Payload
from webclient.tests.library.network import Line
from webclient.tests.library.signer import OFFER
from webclient.tests.library.test_securecall import CALL, talk_without_ringing

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_newer_call_of_who_rings_rings_on(open_client: OpenClient, library_server: RunningServer) -> None:
    alice = await open_client("alice")
    async with Person(library_server.ws_url, f"app-{secrets.token_hex(3)}") as app:
        await app.registers()
        older, newer = new_call_id(), new_call_id()
        await app.send("CALL_INITIATE", targetId=alice.id, sdpOffer=OFFER, callId=older)
        await alice.expects("call", state="incoming", callId=older, offers={"audio": True, "video": False})
        video = OFFER.replace("m=audio", "m=video").replace("opus/48000/2", "VP8/90000")
        await app.send("CALL_INITIATE", targetId=alice.id, sdpOffer=video, callId=newer)
        await app.expects("CALL_REJECTED", callId=older)
        await alice.expects("call", state="incoming", callId=newer, offers={"audio": False, "video": True})
        seen = await alice.does("events.filter(({ type }) => ['call', 'missedcall'].includes(type)).length")
        assert seen == 2
        await app.send("CALL_END", callId=newer)
        await alice.expects("call", state="ended", callId=newer, reason="cancelled")


@asynccontextmanager
async def paused(client: ClientPage) -> AsyncIterator[None]:
    """Keep a page from running anything, as if its device were gone; what its browser does by itself goes on."""
    session = await client.page.context.new_cdp_session(client.page)
    await session.send("Debugger.enable")
    await session.send("Debugger.pause")
    try:
        yield
    finally:
        await session.send("Debugger.disable")
        await session.detach()


async def test_newer_call_of_who_is_gone_rings(open_client: OpenClient, liar: Liar) -> None:
    alice, bob = await open_client("alice", liar.port), await open_client("bob")
    older = await alice.talks_to(bob)
    newer = {"callId": new_call_id(), "callerId": bob.id, "sdpOffer": OFFER, "iceServers": []}
    async with paused(bob):
        await liar.tells("INCOMING_CALL", newer)
        await alice.expects("call", state="ended", callId=older, reason="peer-disconnected")
        await alice.expects("call", state="incoming", callId=newer["callId"])


async def test_newer_call_of_who_answers_in_the_call_does_not_ring(open_client: OpenClient, liar: Liar) -> None:
    """Only somebody who forges calls places one for a client that is in this call."""
    alice, bob = await open_client("alice", liar.port), await open_client("bob")
    older = await alice.talks_to(bob)
    newer = {"callId": new_call_id(), "callerId": bob.id, "sdpOffer": OFFER, "iceServers": []}
    await liar.tells("INCOMING_CALL", newer)
    await alice.expects("missedcall", callId=newer["callId"], peerId=bob.id)
    assert await liar.hears("CALL_REJECT") == {"callId": newer["callId"], "reason": "busy"}
    assert await alice.does("[client.currentCall.callId, client.currentCall.state]") == [older, "connected"]


async def test_calls_that_cross_become_one_though_the_server_refused_the_first(
    open_client: OpenClient, liar: Liar
) -> None:
    """The peer has never heard of the call that would win."""
    alice, bob = await open_client("alice", liar.port), await open_client("bob")
    for person, byte in ((alice, 0), (bob, 255)):
        await person.does(f"() => {{ crypto.getRandomValues = (bytes) => bytes.fill({byte}); }}")
    liar.refuses("CALL_INITIATE", {"code": "RATE_LIMITED", "retryAfterMs": 60_000, "callId": "A" * 22})
    await alice.does(CALL % bob.id)
    await liar.hears("CALL_INITIATE")
    await bob.does(CALL % alice.id)
    await talk_without_ringing(alice, bob)


NO_TARGET = {"code": "TARGET_NOT_FOUND", "request": "CALL_INITIATE", "callId": "A" * 22, "message": "No."}
BUSY = {"callId": "A" * 22, "reason": "busy"}


@pytest.mark.parametrize(
    ("message_type", "payload"), [("ERROR", NO_TARGET), ("CALL_REJECTED", BUSY)], ids=["lost", "busy"]
)
async def test_calls_that_cross_become_one_though_the_winner_does_not_arrive(
    message_type: str, payload: dict[str, str], open_client: OpenClient, liar: Liar, library_server: RunningServer
) -> None:
    """The peer's own call rang, and then its line was lost, or it has a client that knows nothing of crossing."""
    async with Line.to(library_server.port) as line:
        alice, bob = await open_client("alice", line.port), await open_client("bob", liar.port)
        for person, byte in ((alice, 255), (bob, 0)):
            await person.does(f"() => {{ crypto.getRandomValues = (bytes) => bytes.fill({byte}); }}")
        rings = asyncio.Event()

        def note(incoming: Payload) -> Payload:
            rings.set()
            return incoming

        liar.lies("INCOMING_CALL", note)
        liar.keeps("CALL_INITIATE")
        await bob.does(CALL % alice.id)
        await liar.hears("CALL_INITIATE")
        await alice.does(CALL % bob.id)
        await rings.wait()
        line.cut()
        await alice.expects("signaling", state="waiting")
        await liar.tells(message_type, payload)
        await bob.expects("call", state="connecting")
        line.mend()
        await alice.does("client.retryNow()")
        await talk_without_ringing(alice, bob)
        assert liar.heard("CALL_REJECT") == []
