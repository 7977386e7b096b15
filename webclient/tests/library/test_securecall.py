"""The library in two browsers: what the demo page does not show of it."""

import asyncio
import json
import secrets

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription

from tests.support.people import Person
from tests.support.servers import RunningServer, server
from webclient.tests.conftest import PAGE_SERVER
from webclient.tests.library.clients import ClientPage
from webclient.tests.library.conftest import OpenClient
from webclient.tests.library.network import Line

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_call_is_signed_direct_and_hung_up(open_client: OpenClient) -> None:
    alice, bob = await open_client("alice"), await open_client("bob")
    call_id = await alice.talks_to(bob, "{audio: true, video: true}")
    for person, peer in ((alice, bob), (bob, alice)):
        await person.expects("peerkey", peerId=peer.id, status="new")
        await person.expects("verification", callId=call_id, status="verified")
        await person.expects("remotestream", hasAudio=True, hasVideo=True)
        await person.expects("path", kind="direct")
    assert (await alice.expects("safetynumber"))["digits"] == (await bob.expects("safetynumber"))["digits"]
    await alice.does("client.hangUp()")
    await alice.expects("call", state="ended", reason="hung-up", endedBy="you")
    await bob.expects("call", state="ended", reason="hung-up", endedBy="peer")


CALL = "media({audio: true}).then((stream) => client.call('%s', stream))"


async def talk_without_ringing(alice: ClientPage, bob: ClientPage) -> None:
    ours = await alice.expects("call", state="connected")
    theirs = await bob.expects("call", state="connected")
    assert ours["callId"] == theirs["callId"]
    assert {ours["role"], theirs["role"]} == {"caller", "callee"}
    for person in (alice, bob):
        states = await person.does("events.filter(({ type }) => type === 'call').map(({ state }) => state)")
        assert states == ["calling", "connecting", "connected"]


@pytest.mark.parametrize("first_wins", [True, False])
async def test_calls_that_cross_become_one(
    open_client: OpenClient, library_server: RunningServer, *, first_wins: bool
) -> None:
    async with Line.to(library_server.port) as line:
        alice, bob = await open_client("alice", line.port), await open_client("bob")
        for person, byte in ((alice, 255 if first_wins else 1), (bob, 0 if first_wins else 254)):
            # The smaller callId wins, and an ID that begins with this byte is the smaller or the greater one. Each is
            # used once: the server holds the call of a page that was closed.
            await person.does(f"() => {{ crypto.getRandomValues = (bytes) => bytes.fill({byte}); }}")
        line.hold()
        await bob.does(CALL % alice.id)
        await alice.does(CALL % bob.id)
        line.release()
        await talk_without_ringing(alice, bob)


async def test_calls_made_at_once_become_one(open_client: OpenClient, library_server: RunningServer) -> None:
    async with Line.to(library_server.port) as ours, Line.to(library_server.port) as theirs:
        alice, bob = await open_client("alice", ours.port), await open_client("bob", theirs.port)
        # Neither hears of the other's call before its own is placed.
        for line in (ours, theirs):
            line.hold()
        await asyncio.gather(alice.does(CALL % bob.id), bob.does(CALL % alice.id))
        for line in (ours, theirs):
            line.release()
        await talk_without_ringing(alice, bob)


async def test_third_person_is_told_that_the_callee_is_busy(open_client: OpenClient) -> None:
    alice, bob, carol = await open_client("alice"), await open_client("bob"), await open_client("carol")
    await alice.talks_to(bob)
    await carol.does(f"client.call('{bob.id}')")
    await carol.expects("call", state="ended", reason="busy", endedBy="peer")
    await bob.expects("missedcall", peerId=carol.id)
    assert await bob.does("client.currentCall.state") == "connected"


async def test_camera_switched_on_later_is_seen_and_switched_off_is_not(open_client: OpenClient) -> None:
    alice, bob = await open_client("alice"), await open_client("bob")
    await alice.talks_to(bob)
    await alice.expects("remotestream", hasAudio=True, hasVideo=False)
    await bob.does("media({video: true}).then((stream) => client.replaceTrack('video', stream.getVideoTracks()[0]))")
    await alice.expects("remotestream", hasAudio=True, hasVideo=True)
    await alice.does("""async () => {
      const video = Object.assign(document.createElement("video"), { srcObject: client.remoteStream, muted: true });
      await video.play();
      await new Promise((resolve) => video.requestVideoFrameCallback(resolve));
    }""")
    await bob.does("client.replaceTrack('video', null)")
    await alice.expects("remotestream", hasAudio=True, hasVideo=False)


async def test_call_without_media_carries_data(open_client: OpenClient) -> None:
    alice, bob = await open_client("alice"), await open_client("bob")
    await alice.does("""client.addEventListener("peerconnection", ({ detail }) => {
      const channel = detail.peerConnection.createDataChannel("chat");
      channel.onopen = () => channel.send("hello");
    })""")
    await bob.does("""client.addEventListener("peerconnection", ({ detail }) => {
      detail.peerConnection.ondatachannel = ({ channel }) => {
        channel.onmessage = ({ data }) => { window.said = data; };
      };
    })""")
    await alice.does(f"client.call('{bob.id}')")
    await bob.expects("call", state="incoming", offers={"audio": False, "video": False})
    await bob.does("client.accept()")
    await bob.expects("call", state="connected")
    await bob.until("window.said === 'hello'")


async def test_candidates_that_come_before_the_answer_are_kept(
    open_client: OpenClient, library_server: RunningServer
) -> None:
    """aiortc as a callee that sends its candidates first, which the protocol allows, and its answer as JSON text."""
    alice = await open_client("alice")
    async with Person(library_server.ws_url, f"early-{secrets.token_hex(3)}") as bob:
        await bob.registers()
        await alice.does(f"media({{audio: true}}).then((stream) => client.call('{bob.id}', stream))")
        incoming = await bob.expects("INCOMING_CALL")
        rtc = RTCPeerConnection()
        try:
            await rtc.setRemoteDescription(RTCSessionDescription(incoming["sdpOffer"], "offer"))
            await rtc.setLocalDescription(await rtc.createAnswer())
            lines = rtc.localDescription.sdp.splitlines(keepends=True)
            candidates = {line for line in lines if line.startswith("a=candidate:")}
            answer = "".join(line for line in lines if not line.startswith(("a=candidate:", "a=end-of-candidates")))
            for candidate in candidates:
                await bob.send("ICE_CANDIDATE", callId=incoming["callId"], candidate=candidate[2:].strip())
            # As `onicecandidate` says that these were all.
            await bob.send("ICE_CANDIDATE", callId=incoming["callId"], candidate=None)
            answer = json.dumps({"type": "answer", "sdp": answer})
            await bob.send("CALL_ACCEPT", callId=incoming["callId"], sdpAnswer=answer)
            await alice.expects("call", state="connecting")
            # Known from signaling, not found out by the other's connectivity checks ("prflx").
            known = "({ type, candidateType }) => type === 'remote-candidate' && candidateType === 'host'"
            stats = f"client.peerConnection.getStats().then((stats) => [...stats.values()].filter({known}).length)"
            await alice.until(f"{stats}.then((count) => count === {len(candidates)})")
        finally:
            await rtc.close()


async def test_server_that_slows_the_client_down_loses_nothing(open_client: OpenClient) -> None:
    limits = {"LIMIT_MESSAGE_BURST": "3", "LIMIT_MESSAGES_PER_SECOND": "4"}
    with server(env={**PAGE_SERVER, **limits}) as slow:
        alice, bob = await open_client("alice", slow.port), await open_client("bob", slow.port)
        await alice.reaches(bob, "{audio: true, video: true}")
        await alice.does("client.hangUp()")
        await bob.expects("call", state="ended", reason="hung-up")
        await bob.reaches(alice)


async def test_server_that_forgot_the_call_leaves_it_alone(open_client: OpenClient) -> None:
    """A restart of a server that keeps calls in memory."""
    with server(env=PAGE_SERVER) as first:
        async with Line.to(first.port) as line:
            alice, bob = await open_client("alice", line.port), await open_client("bob", line.port)
            await alice.talks_to(bob)
            with server(env=PAGE_SERVER) as second:
                line.lead_to(second.port)
                await alice.comes_back()
                await bob.comes_back()
                await alice.expects("path", kind="direct")
                assert await alice.does("client.currentCall.state") == "connected"
                await alice.does("client.hangUp()")
                await bob.expects("call", state="ended", reason="hung-up", endedBy="peer")


async def test_ringing_goes_on_at_a_server_that_forgot_the_call(open_client: OpenClient) -> None:
    with server(env=PAGE_SERVER) as first:
        async with Line.to(first.port) as line:
            alice, bob = await open_client("alice", line.port), await open_client("bob", line.port)
            call_id = await alice.calls(bob)
            with server(env=PAGE_SERVER) as second:
                line.lead_to(second.port)
                # The caller is back first, and does not find the callee at once.
                await alice.comes_back()
                await bob.comes_back()
                await bob.accepts()
                await alice.expects("call", state="connected", callId=call_id)


async def test_callee_may_answer_before_the_caller_is_back(open_client: OpenClient) -> None:
    """A server that forgot the call refuses the answer, until the caller has told it of the call."""
    with server(env=PAGE_SERVER) as first:
        async with Line.to(first.port) as her_line, Line.to(first.port) as his_line:
            alice, bob = await open_client("alice", her_line.port), await open_client("bob", his_line.port)
            call_id = await alice.calls(bob)
            with server(env=PAGE_SERVER) as second:
                her_line.cut()
                his_line.lead_to(second.port)
                await bob.comes_back()
                await bob.accepts()
                # The server has answered what he sent before this.
                await bob.does("client.lookUpPeerKey()")
                her_line.lead_to(second.port)
                await alice.does("client.retryNow()")
                await alice.expects("call", state="connected", callId=call_id)
                await bob.expects("call", state="connected", callId=call_id)


async def test_answering_ends_when_the_call_does(open_client: OpenClient) -> None:
    """A peer connection that is closed never answers what it was asked just before."""
    alice, bob = await open_client("alice"), await open_client("bob")
    await alice.calls(bob)
    await bob.does("""async () => {
      client.addEventListener("peerconnection", () => queueMicrotask(() => client.hangUp()), { once: true });
      await client.accept(await media({ audio: true })).catch(() => undefined);
    }""")
    await alice.expects("call", state="ended", endedBy="peer")


async def test_superseded_client_ends_its_call_and_stays_away(
    open_client: OpenClient, library_server: RunningServer
) -> None:
    alice, bob = await open_client("alice"), await open_client("bob")
    await alice.talks_to(bob)
    async with Person(library_server.ws_url, alice.id) as newer:
        await newer.registers()
        await alice.expects("signaling", state="superseded", closeCode=4409)
        await alice.expects("call", state="ended", reason="superseded")
        ended = await bob.expects("call", state="ended", reason="superseded", endedBy="peer")
        assert ended["sentence"].startswith(f"The call ended because {alice.id}'s app was opened anew")
        await alice.does("client.retryNow()")
        assert await alice.does("client.signaling.state") == "superseded"


async def test_mistakes_are_told_in_sentences(open_client: OpenClient) -> None:
    alice = await open_client("alice", connected=False)
    caught = "({ code, message }) => `${code}: ${message}`"
    mistakes = {
        "client.call('bob')": "offline: There is no connection to the server. Try again when it is back.",
        "client.call('bob and alice')": "invalid-client-id: A name has 1 to 64 letters, digits, hyphens or underscores,"
        " without spaces.",
        f"client.call('{alice.id}')": "invalid-client-id: You cannot call yourself.",
        "client.accept()": "no-call: Nobody is calling.",
        "client.replaceTrack('audio', null)": "no-call: There is no call to send this in.",
    }
    for script, sentence in mistakes.items():
        assert await alice.does(f"{script}.catch({caught})") == sentence
    await alice.connects()
    await alice.does("client.call('nobody-at-all')")
    ended = await alice.expects("call", state="ended", reason="not-connected")
    assert ended["sentence"] == "nobody-at-all is not online. Try again later."
