"""Messages between clients, what they tell each other of their microphones and cameras, and whom they offer it."""

import asyncio
import secrets

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription

from tests.support.people import Person, new_call_id
from tests.support.servers import RunningServer
from webclient.tests.library.clients import Client, Document
from webclient.tests.library.conftest import OpenAnyClient, OpenClient, OpenFirefoxClient
from webclient.tests.library.liar import Liar, Payload
from webclient.tests.library.network import Line

pytestmark = pytest.mark.asyncio(loop_scope="session")

MOST_BYTES = 65_536
FAILURE = "(send) => send().then(() => 'sent', ({ name, code }) => `${name}: ${code}`)"
# What the page was sent: texts as they are, bytes as their number and the last one.
RECEIVED = """
events.filter(({ type }) => type === "data").map(({ data }) => {
  if (typeof data === "string") return data.length > 100 ? data.length : data;
  const bytes = new Uint8Array(data);
  return [bytes.length, bytes.at(-1)];
})
"""


async def failure(client: Client[Document], script: str) -> str:
    """Return how a call of `send` fails."""
    code: str = await client.does(f"({FAILURE})(async () => {script})")
    return code


async def messages_arrive(sender: Client[Document], receiver: Client[Document]) -> None:
    sent = "'hello', new Uint8Array([1, 2, 3]), new Uint8Array([7, 8]).buffer, '€'.repeat(100), 'last'"
    await sender.does(f"Promise.all([{sent}].map((data) => client.send(data)))")
    await receiver.expects("data", peerId=sender.id, data="last")
    assert await receiver.does(RECEIVED) == ["hello", [3, 3], [2, 8], "€" * 100, "last"]


async def test_messages_arrive_in_their_order_and_as_they_were_sent(
    open_client: OpenClient, open_firefox_client: OpenFirefoxClient
) -> None:
    alice, fox = await open_client("alice"), await open_firefox_client("fox")
    await alice.talks_to(fox)
    await messages_arrive(alice, fox)
    await messages_arrive(fox, alice)


TOO_LONG = [f"'x'.repeat({MOST_BYTES + 1})", f"'€'.repeat({MOST_BYTES // 3 + 1})", f"new ArrayBuffer({MOST_BYTES + 1})"]
NOTHING = ["", "undefined", "null", "''", "new ArrayBuffer(0)", "new Uint8Array()", "{}", "7"]


async def test_what_is_no_message_is_refused_by_its_code(open_any_client: OpenAnyClient) -> None:
    alice, bob = await open_any_client("alice"), await open_any_client("bob")
    await alice.calls(bob)
    for given in (*TOO_LONG, *NOTHING):
        assert await failure(alice, f"client.send({given})") == "SecureCallError: invalid-data", given


@pytest.mark.long
async def test_more_than_a_browser_buffers_is_sent(open_any_client: OpenAnyClient) -> None:
    alice, bob = await open_any_client("alice"), await open_any_client("bob")
    await alice.talks_to(bob)
    await alice.does(f"""async () => {{
      const longest = new Uint8Array({MOST_BYTES}).fill(7);
      await Promise.all(Array.from({{ length: 320 }}, () => client.send(longest)));
      await client.send("done");
    }}""")
    await bob.expects("data", data="done")
    assert await bob.does(f"{RECEIVED}.filter(([bytes]) => bytes === {MOST_BYTES}).length") == 320


async def test_messages_wait_for_the_call_and_end_with_it(open_client: OpenClient) -> None:
    alice, bob = await open_client("alice"), await open_client("bob")
    assert await failure(alice, "client.send('nobody')") == "SecureCallError: no-call"
    await alice.calls(bob)
    await alice.does("() => { window.early = client.send('early'); }")
    await bob.accepts()
    await bob.expects("data", peerId=alice.id, data="early")
    await alice.does("early")
    await alice.does("client.hangUp()")
    await bob.expects("call", state="ended")
    await alice.calls(bob)
    await alice.does("() => { window.late = client.send('late').catch(({ code }) => code); }")
    await bob.does("client.reject()")
    await alice.expects("call", state="ended", reason="rejected")
    assert await alice.does("late") == "no-call"


async def test_unknown_peer_is_offered_no_data(open_any_client: OpenAnyClient, library_server: RunningServer) -> None:
    """aiortc, with which a description has what it is asked for."""
    alice = await open_any_client("alice")
    async with Person(library_server.ws_url, f"bot-{secrets.token_hex(3)}") as bot:
        await bot.registers()
        await alice.does(f"media({{audio: true}}).then((stream) => client.call('{bot.id}', stream))")
        incoming = await bot.expects("INCOMING_CALL")
        assert "m=audio" in incoming["sdpOffer"]
        assert "m=application" not in incoming["sdpOffer"]
        rtc = RTCPeerConnection()
        try:
            await rtc.setRemoteDescription(RTCSessionDescription(incoming["sdpOffer"], "offer"))
            await rtc.setLocalDescription(await rtc.createAnswer())
            await bot.send("CALL_ACCEPT", callId=incoming["callId"], sdpAnswer=rtc.localDescription.sdp)
            await alice.expects("call", state="connected")
            assert await failure(alice, "client.send('hello')") == "SecureCallError: no-data"
            assert await alice.does("client.peerConnection.sctp") is None
            assert await alice.does("[client.peerState.audio, client.peerState.takesData]") == [None, False]
        finally:
            await rtc.close()
        await alice.does("client.hangUp()")


async def test_data_of_another_app_is_not_taken_for_messages(
    open_any_client: OpenAnyClient, library_server: RunningServer
) -> None:
    """What is negotiated in advance opens beside it, on one side alone."""
    alice = await open_any_client("alice")
    async with Person(library_server.ws_url, f"bot-{secrets.token_hex(3)}") as bot:
        await bot.registers()
        rtc = RTCPeerConnection()
        rtc.addTransceiver("audio")
        rtc.createDataChannel("its own")
        try:
            await rtc.setLocalDescription(await rtc.createOffer())
            await bot.send("CALL_INITIATE", targetId=alice.id, sdpOffer=rtc.localDescription.sdp, callId=new_call_id())
            await alice.expects("call", state="incoming")
            await alice.accepts()
            answer = (await bot.expects("CALL_ACCEPTED"))["sdpAnswer"]
            await rtc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
            await alice.until("client.peerConnection.sctp?.state === 'connected'")
            await alice.asks_often()
            assert await alice.does("client.peerState.takesData") is False
            assert await failure(alice, "client.send('hello')") == "SecureCallError: no-data"
        finally:
            await rtc.close()
        await alice.does("client.hangUp()")


def as_before(payload: Payload) -> Payload:
    """Leave out what a client of before this version does not say."""
    sent = {name: value for name, value in payload.items() if name in {"sdpOffer", "sdpAnswer"}}
    return payload | {name: sdp.replace("a=x-securecall:data\r\n", "") for name, sdp in sent.items()}


async def test_client_of_an_older_version_is_offered_no_data(open_client: OpenClient, liar: Liar) -> None:
    """It takes part in negotiations, but would not know the channels."""
    liar.lies("CALL_ACCEPTED", as_before)
    alice, bob = await open_client("alice", liar.port), await open_client("bob")
    await alice.calls(bob)
    await bob.accepts()
    await alice.expects("call", state="connected")
    assert await failure(alice, "client.send('hello')") == "SecureCallError: no-data"
    await alice.asks_often()
    assert await alice.does("client.peerConnection.sctp") is None
    # Nor can it be asked whether it is there: it sends, so it is.
    incoming = {"callId": secrets.token_urlsafe(16), "callerId": bob.id, "iceServers": []}
    offer = await alice.does("client.peerConnection.localDescription.sdp")
    await liar.tells("INCOMING_CALL", incoming | {"sdpOffer": offer})
    await alice.expects("missedcall", peerId=bob.id)


async def test_channel_is_refused_to_who_has_other_keys(open_client: OpenClient, liar: Liar) -> None:
    """The server could bring a description of its own; what it is not signed for is not taken."""
    alice, bob = await open_client("alice", liar.port), await open_client("bob")

    def listened_in(payload: Payload) -> Payload:
        description = payload["candidate"]["description"] if isinstance(payload["candidate"], dict) else None
        if not description:
            return payload
        other = "a=fingerprint:sha-256 " + ":".join(["AB"] * 32)
        lines = [other if line.startswith("a=fingerprint:") else line for line in description["sdp"].split("\r\n")]
        candidate = payload["candidate"] | {"description": description | {"sdp": "\r\n".join(lines)}}
        return payload | {"candidate": candidate}

    liar.lies("ICE_CANDIDATE", listened_in)
    await alice.calls(bob)
    await bob.accepts()
    for person in (alice, bob):
        await person.expects("call", state="connected")
        await person.expects("verification", status="verified")
    await alice.does("() => { client.send('secret').catch(() => {}); }")
    for person in (alice, bob):
        await person.asks_often()
    assert await bob.does(RECEIVED) == []
    assert await alice.does("client.peerState.takesData") is False
    await alice.does("client.hangUp()")
    await bob.expects("call", state="ended")


async def test_peer_is_told_what_is_muted(open_client: OpenClient, open_firefox_client: OpenFirefoxClient) -> None:
    alice, fox = await open_client("alice"), await open_firefox_client("fox")
    await alice.talks_to(fox, "{audio: true, video: true}")
    for sender, viewer in ((alice, fox), (fox, alice)):
        await viewer.until("client.peerState.audio === 'on' && client.peerState.video === 'on'")
        await sender.does("client.setMuted('audio', true)")
        state = await viewer.expects("peerstate", audio="off", video="on")
        assert state["sentence"] == f"{sender.id} is muted."
        enabled = await sender.does("client.peerConnection.getSenders().map(({ track }) => track.enabled)")
        assert enabled == [False, True]
        await sender.does("client.setMuted('audio', false)")
        assert (await viewer.expects("peerstate", audio="on"))["sentence"] == ""
        await sender.does("client.replaceTrack('video', null)")
        state = await viewer.expects("peerstate", audio="on", video="none")
        assert state["sentence"] == f"{sender.id} has the camera off."


# A picture that is drawn, in place of a display: headless Firefox has none.
DRAWING = """
async (hint) => {
  const canvas = document.createElement("canvas");
  canvas.getContext("2d").fillRect(0, 0, 9, 9);
  const [track] = canvas.captureStream(5).getVideoTracks();
  track.contentHint = hint;
  await client.replaceTrack("video", track);
}
"""


async def test_peer_is_told_what_the_application_does_by_itself(open_any_client: OpenAnyClient) -> None:
    alice, bob = await open_any_client("alice"), await open_any_client("bob")
    await alice.talks_to(bob)
    await bob.until("client.peerState.audio === 'on' && client.peerState.video === 'none'")
    mute = "() => { for (const { track } of client.peerConnection.getSenders()) if (track) track.enabled = %s; }"
    await alice.does(mute % "false")
    await bob.expects("peerstate", audio="off")
    await alice.does(DRAWING, "detail")
    state = await bob.expects("peerstate", audio="off", video="screen")
    assert state["sentence"] == f"{alice.id} is muted and shows a screen."
    # Who stops showing a screen has no camera that failed.
    await alice.does("""() => {
      const { track } = client.peerConnection.getSenders().find(({ track }) => track?.contentHint === "detail");
      track.dispatchEvent(new Event("ended"));
    }""")
    await alice.does(DRAWING, "motion")
    await bob.expects("peerstate", audio="off", video="on")
    assert await bob.does("events.filter(({ type }) => type === 'peermedia')") == []
    # A microphone that is gone is not one that is muted.
    await alice.does("() => client.peerConnection.getSenders()[0].track.stop()")
    assert (await bob.expects("peerstate", audio="none"))["sentence"] == f"{alice.id} has no microphone."


async def test_page_that_is_loaded_anew_is_sent_messages(
    open_client: OpenClient, library_server: RunningServer
) -> None:
    async with Line.to(library_server.port) as line:
        alice, bob = await open_client("alice", line.port), await open_client("bob", line.port)
        await alice.talks_to(bob)
        line.cut()
        await alice.expects("signaling", state="waiting")
        line.mend()
        await (await alice.starts()).connects()
        await asyncio.gather(alice.does("client.send('from the new page')"), bob.does("client.send('to it')"))
        await bob.expects("data", data="from the new page")
        await alice.expects("data", data="to it")
