"""Calls within and between browsers, and with apps that do not bundle (RFC 9143)."""

from typing import Any

import pytest

from webclient.tests.library.clients import Client, Document
from webclient.tests.library.conftest import (
    LONG_IN_CHROMIUM,
    LONG_IN_FIREFOX,
    OpenAnyClient,
    OpenClient,
    OpenFirefoxClient,
)
from webclient.tests.library.test_paths import RELAY_ONLY

pytestmark = pytest.mark.asyncio(loop_scope="session")

BOTH = "{audio: true, video: true}"
SEES_PICTURES = """
client.peerConnection.getStats().then((stats) => [...stats.values()].some(
  ({ type, kind, framesDecoded }) => type === "inbound-rtp" && kind === "video" && framesDecoded > 3))
"""
TRANSPORTS = """
new Set([...client.peerConnection.getTransceivers().map(({ sender }) => sender), client.peerConnection.sctp]
  .filter((it) => it).map(({ transport }) => transport)).size
"""
# Another app, which neither writes nor reads BUNDLE: each m-line has a transport of its own. Its relays pass on what
# comes from candidates that it was told of, and nothing else.
APP = """
async ({ id }) => {
  const withoutBundle = ({ type, sdp }) => {
    const lines = sdp.split("\\r\\n").filter((line) => !/^a=(group:BUNDLE|bundle-only)/.test(line));
    return { type, sdp: lines.join("\\r\\n") };
  };
  const app = (window.app = {});
  const socket = new WebSocket("/signal");
  const send = (type, payload) => socket.send(JSON.stringify({ type, payload }));
  const candidates = [];
  const sendCandidate = (candidate) => send("ICE_CANDIDATE", { callId: app.callId, candidate });
  const described = () => {
    app.rtc.onicecandidate = ({ candidate }) => candidate && sendCandidate(candidate.toJSON());
    candidates.forEach(sendCandidate);
  };
  const addMedia = async () => {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
    for (const track of stream.getTracks()) app.rtc.addTrack(track, stream);
  };
  const early = [];
  const take = (candidate) => {
    if (!app.rtc.remoteDescription) early.push(candidate);
    else app.rtc.addIceCandidate(typeof candidate === "string" ? { candidate, sdpMLineIndex: 0 } : candidate);
  };
  const takes = {
    async INCOMING_CALL({ callId, sdpOffer }) {
      app.callId = callId;
      await app.rtc.setRemoteDescription(withoutBundle({ type: "offer", sdp: sdpOffer }));
      await addMedia();
      await app.rtc.setLocalDescription();
      send("CALL_ACCEPT", { callId, sdpAnswer: withoutBundle(app.rtc.localDescription).sdp });
      early.forEach(take);
      described();
    },
    async CALL_ACCEPTED({ callId, sdpAnswer }) {
      app.callId = callId;
      await app.rtc.setRemoteDescription({ type: "answer", sdp: sdpAnswer });
      early.forEach(take);
      described();
    },
    ICE_CANDIDATE: ({ candidate }) => take(candidate),
  };
  app.call = async (targetId) => {
    await addMedia();
    await app.rtc.setLocalDescription();
    send("CALL_INITIATE", { targetId, sdpOffer: withoutBundle(app.rtc.localDescription).sdp });
  };
  const { iceServers } = await new Promise((resolve) => {
    socket.onmessage = ({ data }) => {
      const { type, payload } = JSON.parse(data);
      if (type === "REGISTERED") resolve(payload);
      else takes[type]?.(payload);
    };
    socket.onopen = () => send("REGISTER", { clientId: id });
  });
  app.rtc = new RTCPeerConnection({ iceServers, iceTransportPolicy: "relay" });
  app.rtc.onicecandidate = ({ candidate }) => candidate && candidates.push(candidate.toJSON());
}
"""


async def start_app(open_client: OpenClient) -> Client[Any]:
    page = await open_client("app", connected=False)
    await page.does(APP, {"id": page.id})
    return page


async def see_each_other(*clients: Client[Document]) -> None:
    for client in clients:
        await client.until(SEES_PICTURES)


@LONG_IN_FIREFOX
async def test_call_from_an_app_that_does_not_bundle(open_any_client: OpenAnyClient, open_client: OpenClient) -> None:
    app, alice = await start_app(open_client), await open_any_client("alice")
    await app.does(f"app.call('{alice.id}')")
    await alice.expects("call", state="incoming", offers={"audio": True, "video": True})
    await alice.accepts(BOTH)
    await alice.expects("call", state="connected")
    await alice.until(SEES_PICTURES)
    await app.until(SEES_PICTURES.replace("client.peerConnection", "app.rtc"))


@LONG_IN_CHROMIUM
async def test_call_to_an_app_that_does_not_bundle(open_any_client: OpenAnyClient, open_client: OpenClient) -> None:
    app, alice = await start_app(open_client), await open_any_client("alice")
    await alice.does(f"media({BOTH}).then((stream) => client.call('{app.id}', stream))")
    await alice.expects("call", state="connected")
    await alice.until(SEES_PICTURES)
    await app.until(SEES_PICTURES.replace("client.peerConnection", "app.rtc"))
    # One for each kind: such an app is offered no data.
    assert await alice.does(TRANSPORTS) == 2


@pytest.mark.parametrize("callee", [pytest.param("chromium", marks=pytest.mark.long), "firefox"])
@LONG_IN_FIREFOX
async def test_call_between_clients_has_one_transport(
    callee: str, open_any_client: OpenAnyClient, open_client: OpenClient, open_firefox_client: OpenFirefoxClient
) -> None:
    openers: dict[str, OpenAnyClient] = {"chromium": open_client, "firefox": open_firefox_client}
    alice, bob = await open_any_client("alice"), await openers[callee]("bob")
    await alice.talks_to(bob, BOTH)
    await see_each_other(alice, bob)
    for client in (alice, bob):
        assert await client.does(TRANSPORTS) == 1
        await client.expects("path", kind="direct")


async def test_call_between_browsers_is_relayed(
    open_client: OpenClient, open_firefox_client: OpenFirefoxClient
) -> None:
    alice, bob = await open_firefox_client("alice", **RELAY_ONLY), await open_client("bob", **RELAY_ONLY)
    await alice.talks_to(bob, BOTH)
    await see_each_other(alice, bob)
    for client in (alice, bob):
        await client.expects("path", kind="relayed", localType="relay", remoteType="relay")


async def test_camera_switched_on_later_is_seen_in_the_other_browser(
    open_client: OpenClient, open_firefox_client: OpenFirefoxClient
) -> None:
    alice, bob = await open_firefox_client("alice"), await open_client("bob")
    await alice.talks_to(bob)
    for sender, viewer in ((alice, bob), (bob, alice)):
        await sender.does(
            "media({video: true}).then((stream) => client.replaceTrack('video', stream.getVideoTracks()[0]))"
        )
        await viewer.until(SEES_PICTURES)
    assert [await client.does(TRANSPORTS) for client in (alice, bob)] == [1, 1]
