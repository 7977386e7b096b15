"""The library in two browsers: what the demo page does not show of it."""

import pytest

from webclient.tests.library.conftest import OpenClient

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
