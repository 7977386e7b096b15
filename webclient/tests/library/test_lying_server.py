"""A server that wants to listen in changes what the two sides of a call hear of each other."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.people import new_call_id
from webclient.tests.library.conftest import LONG_IN_FIREFOX, OpenAnyClient
from webclient.tests.library.liar import Liar
from webclient.tests.library.signer import FINGERPRINT, OFFER, Signer

pytestmark = pytest.mark.asyncio(loop_scope="session")

ITS_OWN = "sha-256 " + ":".join(["CD"] * 32)
SIGNED_LINE = f"a=fingerprint:{FINGERPRINT}\r\n"


def says_of_the_offer(change: Callable[[str], str]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda payload: payload | {"sdpOffer": change(payload["sdpOffer"])}


async def test_call_that_nobody_changed_is_verified(open_any_client: OpenAnyClient, signer: Signer, liar: Liar) -> None:
    alice = await open_any_client("alice", liar.port)
    call_id = await signer.calls(alice)
    await alice.expects("verification", callId=call_id, status="verified")


@LONG_IN_FIREFOX
async def test_call_whose_ids_hold_lines_of_their_own_is_not_signed(
    open_any_client: OpenAnyClient, signer: Signer, liar: Liar
) -> None:
    """What is signed is lines: with more of them the text would fit another call, and the server's own certificate."""
    alice = await open_any_client("alice", liar.port)
    await alice.does("""client.addEventListener("call", ({ detail }) => {
      if (detail.state === "incoming") client.accept(null).catch(() => undefined);
    })""")
    lines = f"\n{signer.id}\n{alice.id}\ncallee\n{ITS_OWN}"
    for field in ("callId", "callerId"):

        def lie(payload: dict[str, Any], field: str = field) -> dict[str, Any]:
            return payload | {field: payload[field] + lines}

        liar.lies("INCOMING_CALL", lie)
        await signer.calls(alice, is_signed=False)
        error = await alice.expects("error", code="invalid-call")
        assert error["message"].endswith("or somebody tries to forge calls."), field
        assert await alice.does("client.currentCall") is None, field
        assert liar.heard("CALL_ACCEPT") == [], field


NOT_IDS: list[dict[str, Any]] = [
    {"callId": "too-short"},
    {"callId": "A" * 65},
    {"callId": "A" * 16 + "\n"},
    {"callId": "A" * 16 + "\nbob"},
    {"callId": ["A" * 16]},
    {"clientId": "ali ce"},
    {"clientId": ""},
    {"peerId": "bob\n"},
    {"peerId": "b" * 65},
    {"peerId": None},
]
SIGNED_TEXT = """async ([ids, role, sdp]) => {
  const { signedText } = await import("/static/webclient/securecall/description.js");
  return signedText({ callId: "A".repeat(16), clientId: "alice", peerId: "bob", role: "caller", ...ids }, role, sdp);
}"""


@LONG_IN_FIREFOX
async def test_no_text_is_made_of_what_is_no_id(open_any_client: OpenAnyClient) -> None:
    alice = await open_any_client("alice", connected=False)
    for role in ("caller", "callee"):
        good = f"securecall-identity-v1\n{'A' * 16}\nalice\nbob\n{role}\n{FINGERPRINT}"
        assert await alice.does(SIGNED_TEXT, [{}, role, OFFER]) == good
        for ids in NOT_IDS:
            assert await alice.does(SIGNED_TEXT, [ids, role, OFFER]) is None, ids


# Each is a fingerprint to Firefox, to others or to none of them.
SPELLINGS = [
    "a=FINGERPRINT:{}\r\n",
    "a=Fingerprint:{}\r\n",
    "a= fingerprint:{}\r\n",
    "a=\tfingerprint:{}\r\n",
    "a=fingerprint {}\r\n",
    "a=fingerprint: {}\r\n",
    "a=fingerprint :{}\r\n",
    "a=fingerprints:{}\r\n",
    "A=fingerprint:{}\r\n",
    " a=fingerprint:{}\r\n",
    "a=x\ra=fingerprint:{}\r\n",
    "a=fingerprint:{}\r\r\n",
    "a=fingerprint:{} \r\n",
]


@pytest.mark.parametrize("place", ["session", "media"])
async def test_fingerprint_beside_the_signed_one_is_forged(
    place: str, open_any_client: OpenAnyClient, signer: Signer, liar: Liar
) -> None:
    alice = await open_any_client("alice", liar.port)
    for spelling in [*SPELLINGS, "a=fingerprint:{}\r\n", "a=fingerprint:{}\n"]:
        line = spelling.format(ITS_OWN)
        before = "m=audio" if place == "session" else SIGNED_LINE

        def beside(offer: str, line: str = line, before: str = before) -> str:
            return offer.replace(before, line + before)

        liar.lies("INCOMING_CALL", says_of_the_offer(beside))
        call_id = await signer.calls(alice)
        verification = await alice.expects("verification", callId=call_id)
        assert verification["status"] == "forged", spelling
        await alice.expects("call", callId=call_id, state="ended", reason="forged")


async def test_signed_fingerprint_counts_in_one_spelling_alone(
    open_any_client: OpenAnyClient, signer: Signer, liar: Liar
) -> None:
    """A browser that passes over the signed one would take another for the peer's."""
    alice = await open_any_client("alice", liar.port)
    for spelling in SPELLINGS:
        respelt = spelling.format(FINGERPRINT)

        def instead(offer: str, respelt: str = respelt) -> str:
            return offer.replace(SIGNED_LINE, respelt)

        liar.lies("INCOMING_CALL", says_of_the_offer(instead))
        call_id = await signer.calls(alice)
        assert (await alice.expects("verification", callId=call_id))["status"] == "forged", spelling
        await alice.expects("call", callId=call_id, state="ended", reason="forged")


@LONG_IN_FIREFOX
async def test_signature_for_no_fingerprint_is_forged(open_any_client: OpenAnyClient, signer: Signer) -> None:
    alice = await open_any_client("alice")
    call_id = new_call_id()
    offer = signer.signed(OFFER.replace(SIGNED_LINE, ""), call_id, alice.id, fingerprints=[])
    await signer.send("CALL_INITIATE", targetId=alice.id, callId=call_id, sdpOffer=offer)
    await alice.expects("verification", callId=call_id, status="forged")


@LONG_IN_FIREFOX
async def test_lines_that_are_no_fingerprints_are_not_signed_as_such(
    open_any_client: OpenAnyClient, signer: Signer
) -> None:
    """With them a signature that was made for another call, whose ID held lines, would fit this one."""
    alice = await open_any_client("alice")
    decoys = [FINGERPRINT.upper(), signer.id, alice.id]
    call_id = new_call_id()
    lines = "".join(f"a=fingerprint:{value}\r\n" for value in decoys)
    offer = signer.signed(OFFER.replace(SIGNED_LINE, lines), call_id, alice.id, fingerprints=sorted(decoys))
    await signer.send("CALL_INITIATE", targetId=alice.id, callId=call_id, sdpOffer=offer)
    await alice.expects("verification", callId=call_id, status="forged")


async def test_fingerprint_that_is_new_in_a_negotiation_is_not_taken(
    open_any_client: OpenAnyClient, liar: Liar
) -> None:
    alice, bob = await open_any_client("alice"), await open_any_client("bob", liar.port)
    await alice.talks_to(bob)
    lied = asyncio.Event()

    def negotiates(payload: dict[str, Any]) -> dict[str, Any]:
        if isinstance(payload["candidate"], dict):
            description = payload["candidate"]["description"]
            description["sdp"] = description["sdp"].replace("m=audio", f"a=FINGERPRINT:{ITS_OWN}\r\nm=audio")
            lied.set()
        return payload

    liar.lies("ICE_CANDIDATE", negotiates)
    await alice.does("media({video: true}).then((stream) => client.replaceTrack('video', stream.getVideoTracks()[0]))")
    await asyncio.wait_for(lied.wait(), 20)
    # What came before the answer to this has been looked at.
    await bob.does("client.lookUpPeerKey()")
    assert "CD:CD" not in await bob.does("client.peerConnection.remoteDescription.sdp")
    assert await bob.does("client.peerConnection.signalingState") == "stable"
    assert await bob.does("client.remoteStream.getVideoTracks().length") == 0
