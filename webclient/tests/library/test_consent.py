"""An application acts on the call that it names, though another may have come in meanwhile."""

import secrets

import pytest

from tests.support.people import Person, new_call_id
from tests.support.servers import RunningServer
from webclient.tests.library.clients import ClientPage
from webclient.tests.library.conftest import OpenAnyClient, OpenClient
from webclient.tests.library.signer import OFFER, Signer

pytestmark = pytest.mark.asyncio(loop_scope="session")

CAUGHT = "({ code, message, callId }) => [code, message, callId]"


async def one_after_the_other(alice: ClientPage, carol: ClientPage, bob: ClientPage) -> tuple[str, str]:
    """Alice calls Bob and gives up, then Carol calls him; returns the IDs of both calls."""
    first = await alice.calls(bob)
    await alice.does("client.hangUp()")
    await bob.expects("call", callId=first, state="ended")
    return first, await carol.calls(bob)


async def test_acts_for_a_call_that_is_over_leave_the_next_one_alone(open_client: OpenClient) -> None:
    alice, bob, carol = await open_client("alice"), await open_client("bob"), await open_client("carol")
    first, second = await one_after_the_other(alice, carol, bob)

    over = ["no-call", f"{alice.id} stopped calling.", first]
    assert await bob.does(f"client.accept(null, '{first}').catch({CAUGHT})") == over
    assert await bob.does(f"client.replaceTrack('audio', null, '{first}').catch({CAUGHT})") == over
    await bob.does(f"client.reject('busy', '{first}')")
    await bob.does(f"client.hangUp('{first}')")
    assert await bob.does("client.currentCall.state") == "incoming"

    await bob.does(f"media({{audio: true}}).then((stream) => client.accept(stream, '{second}'))")
    await carol.expects("call", callId=second, state="connected")
    await bob.expects("call", callId=second, state="connected")
    assert await bob.does(f"client.replaceTrack('audio', null, '{first}').catch({CAUGHT})") == over
    await bob.does(f"client.hangUp('{first}')")
    assert await bob.does("client.peerConnection.getSenders().some(({ track }) => track?.kind === 'audio')")
    await bob.does(f"client.replaceTrack('audio', null, '{second}')")
    await bob.does(f"client.hangUp('{second}')")
    await carol.expects("call", callId=second, state="ended", reason="hung-up", endedBy="peer")


async def test_call_that_is_meant_is_rejected(open_client: OpenClient) -> None:
    alice, bob = await open_client("alice"), await open_client("bob")
    call_id = await alice.calls(bob)
    assert await bob.does(f"client.accept(null, 'of-nobody-at-all').catch({CAUGHT})") == [
        "no-call",
        "Nobody is calling.",
        "of-nobody-at-all",
    ]
    await bob.does(f"client.reject('later', '{call_id}')")
    await alice.expects("call", callId=call_id, state="ended", reason="rejected", peerReason="later")


async def test_track_that_was_waited_for_is_not_sent_after_the_end(open_client: OpenClient) -> None:
    alice, bob = await open_client("alice"), await open_client("bob")
    call_id = await alice.talks_to(bob)
    outcome = await bob.does(f"""async () => {{
      const replacing = client.replaceTrack("audio", null, "{call_id}").catch({CAUGHT});
      client.hangUp("{call_id}");
      return replacing;
    }}""")
    assert outcome == ["no-call", "You hung up.", call_id]


async def test_key_that_was_not_compared_is_not_verified(open_client: OpenClient, signer: Signer) -> None:
    alice = await open_client("alice")
    await signer.calls(alice)
    compared = await alice.expects("safetynumber", peerId=signer.id)
    assert compared["publicKey"] == signer.public_key
    verify = f"client.setPeerVerified(true, '{signer.id}', '%s')"
    assert not (await alice.does(verify % "another key"))["isVerified"]
    assert not (await alice.does("client.peerKey"))["isVerified"]
    assert (await alice.does(verify % compared["publicKey"]))["isVerified"]
    # The key that was compared is not there any more.
    signer.new_key()
    await signer.publishes()
    await alice.does(f"client.acceptPeerKey('{signer.id}', '{signer.public_key}')")
    assert not (await alice.does(verify % compared["publicKey"]))["isVerified"]
    assert (await alice.does(verify % signer.public_key))["isVerified"]


# What a page that is loaded anew sends in a call that was answered.
ANEW = {"candidate": "", "sdpMid": "0", "description": {"type": "offer", "sdp": OFFER, "anew": 1}}


async def test_call_that_nobody_has_answered_is_not_taken_up_again(
    open_any_client: OpenAnyClient, library_server: RunningServer
) -> None:
    """Whoever is called would hear the caller before, and a caller be connected while it rings."""
    alice = await open_any_client("alice")
    async with Person(library_server.ws_url, f"mallory-{secrets.token_hex(3)}") as mallory:
        await mallory.registers()
        await alice.does(f"media({{audio: true}}).then((stream) => client.call('{mallory.id}', stream))")
        call_id = (await mallory.expects("INCOMING_CALL"))["callId"]
        await alice.does("() => { window.first = client.peerConnection; }")
        await mallory.send("ICE_CANDIDATE", callId=call_id, candidate=ANEW)
        await alice.asks_often()
        assert await alice.does("[client.peerConnection === first, first.connectionState]") == [True, "new"]
        await mallory.send("CALL_REJECT", callId=call_id)
        await alice.expects("call", state="ended", reason="rejected")

        call_id = new_call_id()
        await mallory.send("CALL_INITIATE", targetId=alice.id, sdpOffer=OFFER, callId=call_id)
        await alice.expects("call", state="incoming", callId=call_id)
        await mallory.send("ICE_CANDIDATE", callId=call_id, candidate=ANEW)
        await alice.asks_often()
        assert await alice.does("client.peerConnection") is None
        assert await alice.does("client.currentCall.state") == "incoming"
