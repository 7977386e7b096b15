"""Session descriptions, as the library and as the browsers read them."""

import re
from collections.abc import Callable

import pytest

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
