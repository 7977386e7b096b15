"""A page that is loaded anew takes its call up again."""

import pytest

from tests.support.servers import RunningServer
from webclient.tests.library.clients import Client, Document
from webclient.tests.library.conftest import OpenAnyClient, OpenClient, OpenFirefoxClient
from webclient.tests.library.liar import Liar
from webclient.tests.library.network import Line
from webclient.tests.library.signer import OFFER
from webclient.tests.library.test_data import DRAWING

pytestmark = pytest.mark.asyncio(loop_scope="session")

HEARS = """
(async () => {
  const stats = [...(await client.peerConnection.getStats()).values()];
  return stats.some(({ type, packetsReceived }) => type === "inbound-rtp" && packetsReceived > 5);
})()
"""


async def load_anew(line: Line, *people: Client[Document]) -> None:
    """Load pages anew; their line breaks first, so that calls are held for as long as a busy machine takes."""
    line.cut()
    for person in people:
        await person.expects("signaling", state="waiting")
    line.mend()
    for person in people:
        await (await person.starts()).connects()
    for person in people:
        await person.expects("call", state="reconnecting")
        await person.expects("call", state="connected")
        await person.expects("verification", status="verified")


async def test_call_is_taken_up_again_by_the_caller_the_callee_and_both(
    open_client: OpenClient, library_server: RunningServer
) -> None:
    async with Line.to(library_server.port) as line:
        alice, bob = await open_client("alice", line.port), await open_client("bob", line.port)
        call_id = await alice.talks_to(bob)
        for people in ((alice,), (bob,), (alice, bob)):
            await load_anew(line, *people)
            for person in (alice, bob):
                await person.until("client.currentCall.state === 'connected'")
                await person.until(HEARS)
        await alice.does("client.hangUp()")
        await bob.expects("call", state="ended", reason="hung-up", callId=call_id)


# Those of test_two_browsers.py are taken up in each browser, one by one.
@pytest.mark.long
async def test_call_is_taken_up_again_in_firefox(
    open_firefox_client: OpenFirefoxClient, library_server: RunningServer
) -> None:
    async with Line.to(library_server.port) as line:
        alice, bob = await open_firefox_client("alice", line.port), await open_firefox_client("bob", line.port)
        await alice.talks_to(bob)
        await load_anew(line, alice, bob)
        for person in (alice, bob):
            await person.until(HEARS)


async def test_screen_brings_no_camera_to_the_page_that_is_loaded_anew(
    open_any_client: OpenAnyClient, library_server: RunningServer
) -> None:
    """Who showed a screen with the camera off would be seen."""
    async with Line.to(library_server.port) as line:
        alice, bob = await open_any_client("alice", line.port), await open_any_client("bob", line.port)
        await alice.talks_to(bob)
        await alice.does(DRAWING, "detail")
        await bob.until("client.peerState.video === 'screen'")
        await load_anew(line, alice)
        kinds = "client.peerConnection.getSenders().flatMap(({ track }) => (track ? [track.kind] : []))"
        assert await alice.does(kinds) == ["audio"]
        await bob.expects("peerstate", audio="on", video="none")


async def test_peer_of_a_page_that_takes_no_call_up_is_told_why_it_ended(
    open_any_client: OpenAnyClient, library_server: RunningServer
) -> None:
    """Nobody hung up."""
    async with Line.to(library_server.port) as line:
        alice, bob = await open_any_client("alice", line.port), await open_any_client("bob")
        await alice.talks_to(bob)
        line.cut()
        await alice.expects("signaling", state="waiting")
        line.mend()
        await (await alice.starts(resume=None)).connects()
        await bob.expects("call", state="ended", reason="superseded", endedBy="peer")


async def test_offer_of_a_page_loaded_anew_that_is_not_signed_is_forged(open_client: OpenClient, liar: Liar) -> None:
    """A server that could replace the peer connection could listen."""
    alice, bob = await open_client("alice", liar.port), await open_client("bob")
    call_id = await alice.talks_to(bob)
    await alice.expects("verification", status="verified")
    candidate = {"candidate": "", "sdpMid": "0", "description": {"type": "offer", "sdp": OFFER, "anew": 1}}
    await liar.tells("ICE_CANDIDATE", {"callId": call_id, "candidate": candidate})
    await alice.expects("call", state="ended", reason="forged", callId=call_id)
    await bob.expects("call", state="ended", reason="forged", callId=call_id)
