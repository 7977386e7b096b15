"""An application acts on the call that it names, though another may have come in meanwhile."""

import pytest

from webclient.tests.library.clients import ClientPage
from webclient.tests.library.conftest import OpenClient
from webclient.tests.library.signer import Signer

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
