"""ICE candidates in the shapes that browsers, native SDKs and telephone systems write."""

import json
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.support.people import Person, new_call_id
from tests.support.servers import RunningServer
from webclient.tests.library.clients import ClientPage
from webclient.tests.library.conftest import OpenAnyClient, OpenClient
from webclient.tests.library.signer import OFFER
from webclient.tests.library.test_descriptions import SAMPLES

pytestmark = pytest.mark.asyncio(loop_scope="session")

LINE = "candidate:1 1 udp 2130706431 192.0.2.7 46154 typ host generation 0"
FIRST, SECOND = {"candidate": LINE, "sdpMLineIndex": 0}, {"candidate": LINE, "sdpMLineIndex": 1}
NAMED = {"candidate": LINE, "sdpMid": "1"}
END = {"candidate": "", "sdpMLineIndex": 0}
# Two m-lines with a transport each.
DESCRIPTION = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=ice-ufrag:first\r\n"
    "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=ice-ufrag:second\r\n"
)
WITH_UFRAG = f"{LINE} ufrag second"
W3C = {"candidate": LINE, "sdpMid": "1", "sdpMLineIndex": 1, "usernameFragment": "second"}
SHAPES: list[tuple[str, Any, dict[str, Any]]] = [
    ("W3C", W3C, {**NAMED, "usernameFragment": "second"}),
    ("W3C as JSON text", json.dumps(W3C), {**NAMED, "usernameFragment": "second"}),
    ("JSON text of JSON text", json.dumps(json.dumps(W3C)), {**NAMED, "usernameFragment": "second"}),
    ("nested", {"candidate": W3C}, {**NAMED, "usernameFragment": "second"}),
    ("nested, the mid outside", {"candidate": {"candidate": LINE}, "sdpMid": "1"}, NAMED),
    ("nested, with a type", {"type": "candidate", "ice": {"candidate": LINE, "sdpMLineIndex": 1}}, SECOND),
    (
        "in PeerJS' envelope",
        {"type": "CANDIDATE", "payload": {"candidate": W3C, "type": "media"}},
        {**NAMED, "usernameFragment": "second"},
    ),
    ("in another one", {"event": "candidate", "data": {"candidate": LINE, "sdpMid": "1"}}, NAMED),
    (
        "gson, of Android's and iOS's IceCandidate",
        {"sdp": LINE, "sdpMid": "1", "sdpMLineIndex": 1, "serverUrl": ""},
        NAMED,
    ),
    ("AppRTC and aiortc", {"type": "candidate", "label": 1, "id": "1", "candidate": LINE}, NAMED),
    ("AppRTC, numbers as text", {"type": "candidate", "label": "1", "candidate": LINE}, SECOND),
    ("libdatachannel", {"candidate": f"a={LINE}", "mid": "1"}, NAMED),
    ("C#", {"Candidate": LINE, "SdpMid": None, "SdpMLineIndex": "1"}, SECOND),
    ("Rust", {"candidate": LINE, "sdp_mid": "", "sdp_mline_index": 1, "username_fragment": None}, SECOND),
    (
        "pion's ICECandidate, without ToJSON",
        {
            "foundation": "1",
            "priority": 2130706431,
            "address": "192.0.2.7",
            "protocol": 1,
            "port": 46154,
            "type": "host",
            "component": 1,
            "relatedAddress": "",
            "relatedPort": 0,
            "tcpType": "",
            "sdpMid": "1",
        },
        {"candidate": "candidate:1 1 udp 2130706431 192.0.2.7 46154 typ host", "sdpMid": "1"},
    ),
    (
        "aiortc's RTCIceCandidate as a dictionary",
        {
            "component": 1,
            "foundation": "1",
            "ip": "192.0.2.7",
            "port": 9,
            "priority": 1,
            "protocol": "tcp",
            "type": "srflx",
            "relatedAddress": "198.51.100.7",
            "relatedPort": 7,
            "tcpType": "active",
            "sdpMid": None,
            "sdpMLineIndex": 1,
        },
        {
            "candidate": "candidate:1 1 tcp 1 192.0.2.7 9 typ srflx raddr 198.51.100.7 rport 7 tcptype active",
            "sdpMLineIndex": 1,
        },
    ),
    ("without prefix", LINE.removeprefix("candidate:"), FIRST),
    ("with a=", f"a={LINE}\r\n", FIRST),
    ("prefix in upper case", LINE.replace("candidate", "Candidate"), FIRST),
    ("spaces", LINE.replace(" ", "  "), FIRST),
    ("alone", {"candidate": LINE}, FIRST),
    ("alone, with ufrag", {"candidate": WITH_UFRAG}, {**SECOND, "candidate": WITH_UFRAG}),
    ("text, with ufrag", WITH_UFRAG, {**SECOND, "candidate": WITH_UFRAG}),
    ("ufrag beside", {"candidate": LINE, "usernameFragment": "second"}, {**SECOND, "usernameFragment": "second"}),
    ("a mid as a number", {"candidate": LINE, "sdpMid": 1}, NAMED),
    ("the mid of another description", {"candidate": LINE, "sdpMid": "video", "sdpMLineIndex": 1}, SECOND),
    ("a mid and a place that are not there", {"candidate": LINE, "sdpMid": "video", "sdpMLineIndex": 9}, FIRST),
    ("UPPER CASE", LINE.replace("udp", "UDP"), {**FIRST, "candidate": LINE.replace("udp", "UDP")}),
    ("the end", "", END),
    ("the end as null", None, END),
    ("the end as text of null", "null", END),
    ("the end as an object", {"candidate": "", "sdpMid": "1"}, {"candidate": "", "sdpMid": "1"}),
    ("the end, gson", {"sdp": None}, END),
    ("the end in words", "a=end-of-candidates", END),
    ("the end, Janus", {"completed": True}, END),
]
UNREADABLE: list[Any] = [
    "no candidate",
    "{",
    '"',
    {},
    {"candidate": {}},
    {"foundation": "1", "protocol": "udp", "type": "host", "address": "192.0.2.7"},
    {"candidate": 7},
    "candidate:1 1 udp",
    '["x"]',
]
READ = """
async ([given, description]) => {
  const { candidateInit, readCandidate } = await import("/static/webclient/securecall/candidates.js");
  const { readSdp } = await import("/static/webclient/securecall/sdp.js");
  return given.map((it) => readCandidate(it)).map((it) => it && candidateInit(it, readSdp(description)));
}
"""
# Which of them the browser does not take.
ADD = """
async ([offer, inits]) => {
  const rtc = new RTCPeerConnection();
  await rtc.setRemoteDescription({ type: "offer", sdp: offer });
  await rtc.setLocalDescription();
  const refused = [];
  for (const init of inits) await rtc.addIceCandidate(init).catch((error) => refused.push([init, String(error)]));
  rtc.close();
  return refused;
}
"""


async def test_candidates_are_read_in_every_shape(open_any_client: OpenAnyClient) -> None:
    alice = await open_any_client("alice", connected=False)
    given = [shape for _, shape, _ in SHAPES] + UNREADABLE
    read = await alice.does(READ, [given, DESCRIPTION])
    names = [name for name, _, _ in SHAPES]
    assert dict(zip(names, read, strict=False)) == {name: init for name, _, init in SHAPES}
    assert read[len(names) :] == [None] * len(UNREADABLE)
    offer = SAMPLES["Chromium 156, audio, video and data, offer"].replace("Fst1", "second")
    assert await alice.does(ADD, [offer, read[: len(names)]]) == []


async def told(app: Person, call_id: str) -> list[Any]:
    """Return the candidates that were told until the call ended."""
    candidates = []
    while (message := await app.next_message())["type"] == "ICE_CANDIDATE":
        candidates.append(message["payload"]["candidate"])
    assert message["type"] == "CALL_ENDED"
    assert message["payload"]["callId"] == call_id
    return candidates


async def gathers(alice: ClientPage) -> None:
    await alice.until("client.peerConnection?.iceGatheringState === 'complete'")


async def answers(alice: ClientPage, app: Person) -> None:
    """Answer the call of `app`, and wait until every candidate is told."""
    await alice.accepts()
    await app.expects("CALL_ACCEPTED")
    await gathers(alice)


@pytest_asyncio.fixture(loop_scope="session")
async def app(library_server: RunningServer) -> AsyncIterator[Person]:
    """A client of the reference that is registered."""
    async with Person(library_server.ws_url, f"app-{secrets.token_hex(3)}") as person:
        await person.registers()
        yield person


async def test_app_that_tells_no_end_of_candidates_is_told_none(open_client: OpenClient, app: Person) -> None:
    """Native SDKs throw at an empty candidate. This one writes its offer as JSON text."""
    alice = await open_client("alice")
    call_id = new_call_id()
    offer = json.dumps({"type": "offer", "sdp": OFFER})
    await app.send("CALL_INITIATE", targetId=alice.id, sdpOffer=offer, callId=call_id)
    await alice.expects("call", state="incoming", offers={"audio": True, "video": False})
    await answers(alice, app)
    await alice.does("client.hangUp()")
    assert "" not in await told(app, call_id)

    await alice.does(f"client.call('{app.id}')")
    call_id = (await app.expects("INCOMING_CALL"))["callId"]
    await gathers(alice)
    await alice.does("client.hangUp()")
    assert "" not in await told(app, call_id)


async def test_end_of_candidates_is_told_to_who_tells_it(open_client: OpenClient, app: Person) -> None:
    alice = await open_client("alice")
    call_id = new_call_id()
    await app.send("CALL_INITIATE", targetId=alice.id, sdpOffer=OFFER, callId=call_id)
    await app.send("ICE_CANDIDATE", callId=call_id, candidate={"candidate": "", "sdpMid": "0"})
    await alice.expects("call", state="incoming")
    await answers(alice, app)
    await alice.does("client.hangUp()")
    assert "" in await told(app, call_id)

    # Also when it tells it last.
    call_id = new_call_id()
    await app.send("CALL_INITIATE", targetId=alice.id, sdpOffer=OFFER, callId=call_id)
    await alice.expects("call", state="incoming", callId=call_id)
    await answers(alice, app)
    await app.send("ICE_CANDIDATE", callId=call_id, candidate="")
    while (await app.expects("ICE_CANDIDATE", callId=call_id))["candidate"]:
        continue
    await alice.does("client.hangUp()")


async def test_candidates_that_cannot_be_read_are_told_once(open_client: OpenClient, app: Person) -> None:
    alice = await open_client("alice")
    call_id = new_call_id()
    await app.send("CALL_INITIATE", targetId=alice.id, sdpOffer=OFFER, callId=call_id)
    await alice.expects("call", state="incoming")
    for candidate in ("no candidate", {"x": 1}, "{"):
        await app.send("ICE_CANDIDATE", callId=call_id, candidate=candidate)
    error = await alice.expects("error", code="unreadable-candidate", callId=call_id, request="ICE_CANDIDATE")
    assert app.id in error["message"]
    # The others have been read by then.
    await alice.accepts()
    await app.expects("CALL_ACCEPTED")
    assert await alice.unexpected_errors() == []
