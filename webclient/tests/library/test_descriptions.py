"""Session descriptions, as the library and as the browsers read them."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.servers import ROOT
from webclient.tests.library.clients import Client, Document
from webclient.tests.library.conftest import OpenAnyClient, OpenClient, OpenFirefoxClient

pytestmark = pytest.mark.asyncio(loop_scope="session")

BOTH = "{audio: true, video: true}"
OFFER = """
async () => {
  const rtc = new RTCPeerConnection();
  for (const kind of ["audio", "video"]) rtc.addTransceiver(kind);
  await rtc.setLocalDescription();
  const { sdp } = rtc.localDescription;
  rtc.close();
  return sdp;
}
"""
# What the library says that a description offers, and for which media the browser expects something to come.
READ = """
async (sdp) => {
  const { offersToSend } = await import("/static/webclient/securecall/description.js");
  const rtc = new RTCPeerConnection();
  const expected = [];
  rtc.ontrack = ({ track }) => expected.push(track.kind);
  await rtc.setRemoteDescription({ type: "offer", sdp });
  rtc.close();
  return [["audio", "video"].filter((kind) => offersToSend(sdp, kind)), expected.sort()];
}
"""


def video(change: Callable[[str], str]) -> Callable[[str], str]:
    """Change the part of the offer that is about video."""

    def change_video(sdp: str) -> str:
        before, mark, section = sdp.partition("m=video ")
        return before + change(mark + section)

    return change_video


def directed(direction: str) -> Callable[[str], str]:
    return video(lambda section: section.replace("a=sendrecv", f"a={direction}"))


def on_port_0(section: str) -> str:
    return re.sub(r"^m=video \d+", "m=video 0", section)


def bundle_only(section: str) -> str:
    return re.sub(r"(\na=mid:\w+\r\n)", r"\1a=bundle-only\r\n", section)


BOTH_KINDS = ["audio", "video"]
SPELLINGS: dict[str, tuple[Callable[[str], str], list[str]]] = {
    "as it was written": (str, BOTH_KINDS),
    "line feeds alone": (lambda sdp: sdp.replace("\r\n", "\n"), BOTH_KINDS),
    "sendonly": (directed("sendonly"), BOTH_KINDS),
    "recvonly": (directed("recvonly"), ["audio"]),
    "inactive": (directed("inactive"), ["audio"]),
    "recvonly, line feeds alone": (lambda sdp: directed("recvonly")(sdp).replace("\r\n", "\n"), ["audio"]),
    "recvonly and a space": (directed("recvonly "), ["audio"]),
    "no direction": (video(lambda section: section.replace("a=sendrecv\r\n", "")), BOTH_KINDS),
    "two directions": (directed("recvonly\r\na=sendrecv"), BOTH_KINDS),
    "a direction within another attribute": (directed("sendrecv\r\na=x-note:a=recvonly"), BOTH_KINDS),
    "rejected": (video(on_port_0), ["audio"]),
    "bundle-only": (video(lambda section: bundle_only(on_port_0(section))), BOTH_KINDS),
    "bundle-only on a port": (video(bundle_only), BOTH_KINDS),
}


async def test_offer_is_read_as_the_browser_reads_it(open_any_client: OpenAnyClient) -> None:
    alice = await open_any_client("alice", connected=False)
    offer = await alice.does(OFFER)
    read = {spelling: await alice.does(READ, change(offer)) for spelling, (change, _) in SPELLINGS.items()}
    assert read == {spelling: [expected, expected] for spelling, (_, expected) in SPELLINGS.items()}


async def test_direction_of_the_session_holds_where_none_is_said(open_any_client: OpenAnyClient) -> None:
    """RFC 8866, section 6.7; browsers pass it over, and wait for media that will not come."""
    alice = await open_any_client("alice", connected=False)
    offer = (await alice.does(OFFER)).replace("a=sendrecv\r\n", "")
    for direction, expected in (("recvonly", []), ("inactive", []), ("sendonly", BOTH_KINDS)):
        sdp = offer.replace("t=0 0\r\n", f"t=0 0\r\na={direction}\r\n")
        assert await alice.does(READ, sdp) == [expected, BOTH_KINDS]
        overruled = sdp.replace("\r\na=mid:", "\r\na=sendrecv\r\na=mid:")
        assert await alice.does(READ, overruled) == [BOTH_KINDS, BOTH_KINDS]


# What others write, as `support/samples.json` has it: each m-line with its mid, its direction and its ice-ufrag.
ALL_SEND = "audio 0 sendrecv {0}, video 1 sendrecv {0}, application 2 sendrecv {0}"
WRITTEN = {
    "Chromium 156, audio, video and data, offer": ALL_SEND.format("Fst1"),
    "Chromium 156, its answer": ALL_SEND.format("SoDB"),
    "Chromium 156, with all candidates": ALL_SEND.format("Fst1"),
    "Chromium 156, max-bundle, video only received": "audio 0 sendrecv VK9n, video 1 recvonly VK9n",
    "Chromium 156, audio alone": "audio 0 sendrecv tIz5",
    "Chromium 156, simulcast": "video 0 sendrecv G/Fp",
    "Chromium 156, data alone, mDNS candidates": "application 0 sendrecv hcLO",
    "Firefox 153.8 ESR, audio, video and data, offer": ALL_SEND.format("9e489ae3"),
    "Firefox 153.8 ESR, its answer": ALL_SEND.format("eb8c5a0e"),
    "Firefox 153.8 ESR, with all candidates": ALL_SEND.format("9e489ae3"),
    "Firefox 153.8 ESR, max-bundle": "audio 0 sendrecv 9d94280b, video 1 recvonly 9d94280b",
    "Firefox 153.8 ESR, audio alone": "audio 0 sendrecv 92880c79",
    "Firefox 153.8 ESR, simulcast": "video 0 sendrecv 3a253847",
    "libwebrtc for Node (@roamhq/wrtc 0.10.0), offer": "audio 0 sendrecv JAct, video 1 sendrecv JAct",
    "libwebrtc for Node, answer": "audio 0 sendrecv L3tf, video 1 recvonly L3tf",
    "libwebrtc for Node, as JSON text": "audio 0 sendrecv JAct, video 1 sendrecv JAct",
    "werift 0.25.2, offer": ALL_SEND.format("efb6"),
    "werift 0.25.2, with all candidates": ALL_SEND.format("efb6"),
    "libdatachannel (node-datachannel 0.33.4), offer": (
        "audio audio sendrecv c2P5, video video sendonly c2P5, application 0 sendrecv c2P5"
    ),
    "aiortc 1.16.0, offer": ALL_SEND.format("fXPu"),
    "aiortc 1.16.0, answer": "audio 0 sendrecv yl6Z, video 1 recvonly yl6Z, application 2 sendrecv yl6Z",
    "aiortc 1.16.0, object_to_string": ALL_SEND.format("fXPu"),
    "Asterisk 18, PJSIP, offer of audio and two videos": (
        "audio audio-0 sendrecv 2c8d0f4b1a6e7d934ab5c08e6f127d30, "
        "video video-1 sendrecv 5be9470a3d1c62f80e94d7a1b3c5f682, "
        "video video-2 recvonly 61f2a9d7c3e84b05d9a07e3c1f4b8265"
    ),
    "Asterisk 16.19, chan_sip, offer of audio": "audio - sendrecv 3e7f1c52a0b84d96e5d2c7a9f8b1064d",
    "FreeSWITCH 1.10, offer of audio": "audio - sendrecv rE4mVq9LxTz2KbWc",
    "pion 2.1, answer to audio and video": "audio 0 sendrecv kQwLzTnHvXbRmSdF, video 1 recvonly kQwLzTnHvXbRmSdF",
    # As in the tests of webrtc-rs and of amazon-chime-sdk-js, but for what is random; the latter says no version.
    "Safari 26.5.2, audio, video and data, offer": ALL_SEND.format("PoNc"),
    "Safari on iOS, of 2020, audio, a camera that is off and one that is seen, offer": (
        "audio 0 sendrecv 9z3Z, video 1 inactive 9z3Z, video 2 recvonly 9z3Z"
    ),
}
SAMPLES = {
    sample["from"]: sample["value"]
    for sample in json.loads((ROOT / "tests" / "support" / "samples.json").read_text())["descriptions"]
}
READ_MEDIA = """
async (given) => {
  const { readDescription, fingerprintsIn } = await import("/static/webclient/securecall/description.js");
  const { readSdp } = await import("/static/webclient/securecall/sdp.js");
  const sdp = readDescription(given);
  const media = readSdp(sdp).media.filter(({ isRejected }) => !isRejected);
  if (fingerprintsIn(sdp) === null) throw new Error("It has no fingerprint.");
  return media.map(({ kind, mid, direction, ufrag }) => [kind, mid ?? "-", direction, ufrag].join(" ")).join(", ");
}
"""
IS_TAKEN = """
async (given) => {
  const { readDescription } = await import("/static/webclient/securecall/description.js");
  const rtc = new RTCPeerConnection();
  try {
    await rtc.setRemoteDescription({ type: "offer", sdp: readDescription(given) });
    return "";
  } catch (error) {
    return String(error);
  } finally {
    rtc.close();
  }
}
"""
# The same description, as an app in between may hand it on.
WRAPPERS: dict[str, Callable[[str], Any]] = {
    "LF": lambda sdp: sdp.replace("\r\n", "\n"),
    "no end of the last line": str.strip,
    "empty lines": lambda sdp: sdp.replace("\r\n", "\n\n"),
    "JSON text": lambda sdp: json.dumps({"type": "offer", "sdp": sdp}),
    "JSON text with LF": lambda sdp: json.dumps({"sdp": sdp.replace("\r\n", "\n"), "type": "OFFER"}, indent=1),
    "JSON text of a string": json.dumps,
    "JSON text of JSON text": lambda sdp: json.dumps(json.dumps({"type": "offer", "sdp": sdp})),
    "Android's, as gson writes it": lambda sdp: json.dumps({"description": sdp, "type": "OFFER"}),
    "C#": lambda sdp: json.dumps({"Type": "Offer", "Sdp": sdp}),
    "MixedReality-WebRTC": lambda sdp: {"Type": 1, "Content": sdp},
    "Janus": lambda sdp: json.dumps({"jsep": {"type": "offer", "sdp": sdp}}),
    "in PeerJS' envelope": lambda sdp: {"type": "OFFER", "payload": {"sdp": {"type": "offer", "sdp": sdp}}},
    "nested": lambda sdp: json.dumps({"sdp": {"type": "offer", "sdp": sdp}}),
    "an object": lambda sdp: {"type": "offer", "sdp": sdp},
}


async def test_descriptions_that_others_write_are_read(open_client: OpenClient) -> None:
    alice = await open_client("alice", connected=False)
    assert {name: await alice.does(READ_MEDIA, sample) for name, sample in SAMPLES.items()} == WRITTEN


async def test_descriptions_in_other_wrappings_are_read(open_client: OpenClient) -> None:
    alice = await open_client("alice", connected=False)
    name = "Firefox 153.8 ESR, max-bundle"
    for wrapping, wrap in WRAPPERS.items():
        assert (wrapping, await alice.does(READ_MEDIA, wrap(SAMPLES[name]))) == (wrapping, WRITTEN[name])


async def test_offers_that_others_write_are_taken(open_any_client: OpenAnyClient) -> None:
    alice = await open_any_client("alice", connected=False)
    offers = {name: sample for name, sample in SAMPLES.items() if "answer" not in name}
    refused = {name: await alice.does(IS_TAKEN, sample) for name, sample in offers.items()}
    for wrapping, wrap in WRAPPERS.items():
        refused[wrapping] = await alice.does(IS_TAKEN, wrap(SAMPLES["Firefox 153.8 ESR, max-bundle"]))
    assert {name: error for name, error in refused.items() if error} == {}


async def pictures_come(client: Client[Document]) -> None:
    inbound = "({ type, kind, framesDecoded }) => type === 'inbound-rtp' && kind === 'video' && framesDecoded > 3"
    await client.until(f"client.peerConnection.getStats().then((stats) => [...stats.values()].some({inbound}))")


async def test_max_bundle_call_from_firefox_is_a_video_call(
    open_firefox_client: OpenFirefoxClient, open_client: OpenClient
) -> None:
    """Firefox offers video on port 0 then, with `a=bundle-only`."""
    alice = await open_firefox_client("alice", rtcConfiguration={"bundlePolicy": "max-bundle"})
    bob = await open_client("bob")
    await alice.does(f"media({BOTH}).then((stream) => client.call('{bob.id}', stream))")
    await bob.expects("call", state="incoming", offers={"audio": True, "video": True})
    assert "m=video 0 " in await alice.does("client.peerConnection.localDescription.sdp")
    await bob.accepts(BOTH)
    for client in (alice, bob):
        await client.expects("call", state="connected")
        await pictures_come(client)
