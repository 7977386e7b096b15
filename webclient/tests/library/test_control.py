"""What a peer may send on the control channel, of which nothing can be trusted."""

import pytest

from webclient.tests.library.conftest import OpenAnyClient

pytestmark = pytest.mark.asyncio(loop_scope="session")

# The channels that the library makes, for a peer whose app sends on them what it likes.
KEEP_CHANNELS = """
() => {
  const { createDataChannel } = RTCPeerConnection.prototype;
  RTCPeerConnection.prototype.createDataChannel = function (label, options) {
    const channel = createDataChannel.call(this, label, options);
    window[options.id === 255 ? "control" : "data"] = channel;
    return channel;
  };
}
"""
# Wrong types, unknown kinds, what is no JSON, and long messages.
NONSENSE = """
() => {
  const texts = [
    "", "null", "7", "[]", "{}", "{", "[".repeat(100_000), '{"type":{"a":1}}',
    '{"type":"of a later version","kind":"audio"}', '{"type":"media"}',
    '{"type":"media","audio":["on"],"video":{"x":1}}', `{"type":"media","audio":"${"x".repeat(200_000)}"}`,
    '{"type":"stopped"}', '{"type":"stopped","kind":"__proto__"}', '{"type":"sends","kind":["audio"]}',
    '{"type":"here"}',
  ];
  for (const text of texts) control.send(text);
  control.send(new Uint8Array(100_000));
  control.send(JSON.stringify({ type: "media", audio: "off", video: "none" }));
}
"""


async def test_nonsense_changes_nothing(open_any_client: OpenAnyClient) -> None:
    alice, mallory = await open_any_client("alice"), await open_any_client("mallory")
    await mallory.does(KEEP_CHANNELS)
    call_id = await alice.talks_to(mallory)
    await mallory.does(NONSENSE)
    await alice.expects("peerstate", audio="off", video="none")
    assert await alice.does("events.filter(({ type }) => ['peermedia', 'error'].includes(type))") == []
    assert await alice.does("[client.currentCall.callId, client.currentCall.state]") == [call_id, "connected"]


async def test_peer_that_hangs_up_does_not_speak_for_the_server(open_any_client: OpenAnyClient) -> None:
    alice, mallory = await open_any_client("alice"), await open_any_client("mallory")
    await mallory.does(KEEP_CHANNELS)
    await alice.talks_to(mallory)
    await mallory.does("() => control.send(JSON.stringify({ type: 'bye', reason: 'operator' }))")
    ended = await alice.expects("call", state="ended", reason="hung-up", endedBy="peer", peerReason="operator")
    assert ended["sentence"] == f"{mallory.id} hung up."


# What a peer sends that hears of the end, and goes on.
LAST_WORDS = """
() => {
  RTCPeerConnection.prototype.close = () => {};
  client.addEventListener("call", ({ detail: { state } }) => {
    if (state !== "ended") return;
    data.send("last words");
    control.send(JSON.stringify({ type: "stopped", kind: "audio" }));
    control.send(JSON.stringify({ type: "media", audio: "off", video: "none" }));
  });
}
"""


async def test_nothing_is_told_of_a_call_that_is_over(open_any_client: OpenAnyClient) -> None:
    """The channels are open until the peer has heard of the end."""
    alice, mallory = await open_any_client("alice"), await open_any_client("mallory")
    await mallory.does(KEEP_CHANNELS)
    await alice.talks_to(mallory)
    await alice.until("client.peerState.audio === 'on'")
    await mallory.does(LAST_WORDS)
    await alice.does("() => { window.rtc = client.peerConnection; client.hangUp(); }")
    await alice.until("rtc.signalingState === 'closed'")
    await mallory.expects("call", state="ended")
    after = "events.slice(events.findIndex(({ type, state }) => type === 'call' && state === 'ended'))"
    said = "({ type }) => ['data', 'peermedia', 'peerstate'].includes(type)"
    assert await alice.does(f"{after}.filter({said})") == []
