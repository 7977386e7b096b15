"""Identity keys, pins, signed media and safety numbers."""

import asyncio
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.people import Person, new_call_id
from tests.support.servers import ROOT, RunningServer, environment
from webclient.tests.library.conftest import OpenClient
from webclient.tests.library.signer import OFFER, Signer

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_signature_by_another_implementation_is_verified(open_client: OpenClient, signer: Signer) -> None:
    alice = await open_client("alice")
    call_id = await signer.calls(alice)
    await alice.expects("verification", callId=call_id, peerId=signer.id, status="verified")
    await alice.expects("call", state="incoming")


async def test_fingerprint_that_was_swapped_on_the_way_ends_the_call(open_client: OpenClient, signer: Signer) -> None:
    alice = await open_client("alice")
    call_id = await signer.calls(alice, instead="sha-256 " + ":".join(["CD"] * 32))
    await alice.expects("verification", callId=call_id, status="forged")
    await alice.expects("call", state="ended", reason="forged", endedBy="you")
    await signer.expects("CALL_REJECTED", callId=call_id, reason="forged")


async def test_signature_for_another_call_is_forged(open_client: OpenClient, signer: Signer) -> None:
    alice = await open_client("alice")
    replayed = signer.signed(OFFER, new_call_id(), alice.id)
    await signer.send("CALL_INITIATE", targetId=alice.id, callId=new_call_id(), sdpOffer=replayed)
    await alice.expects("verification", status="forged")


async def test_signature_that_went_missing_is_noticed(open_client: OpenClient, signer: Signer) -> None:
    alice = await open_client("alice")
    first = await signer.calls(alice)
    await alice.expects("verification", callId=first, status="verified")
    await signer.send("CALL_END", callId=first)
    await alice.expects("call", state="ended", reason="cancelled", endedBy="peer")
    second = await signer.calls(alice, is_signed=False)
    await alice.expects("verification", callId=second, status="stripped")
    # It may be another app of the same person: people decide.
    assert await alice.does("client.currentCall.state") == "incoming"


async def test_client_that_never_signs_is_told_apart(open_client: OpenClient, library_server: RunningServer) -> None:
    async with Signer(library_server.ws_url, "plain") as plain:
        await plain.registers()
        alice = await open_client("alice")
        await plain.calls(alice, is_signed=False)
        await alice.expects("peerkey", peerId=plain.id, status="unpublished")
        await alice.expects("verification", status="unsigned")


async def test_changed_key_stays_loud_until_it_is_accepted(open_client: OpenClient, signer: Signer) -> None:
    alice = await open_client("alice")
    first = signer.public_key
    assert (await alice.does(f"client.lookUpPeerKey('{signer.id}')"))["status"] == "new"
    assert (await alice.does(f"client.setPeerVerified(true, '{signer.id}')"))["isVerified"]
    signer.new_key()
    await signer.publishes()
    for _ in range(2):
        call_id = await signer.calls(alice)
        changed = await alice.expects("peerkey", peerId=signer.id, status="changed")
        assert (changed["publicKey"], changed["pinnedKey"]) == (signer.public_key, first)
        assert not changed["isVerified"]
        await alice.expects("verification", callId=call_id, status="verified")
        await signer.send("CALL_END", callId=call_id)
        await alice.expects("call", state="ended")
    # The key that was shown is what is accepted.
    refused = await alice.does(f"client.acceptPeerKey('{signer.id}', 'another')")
    assert refused["status"] == "changed"
    accepted = await alice.does(f"client.acceptPeerKey('{signer.id}', '{signer.public_key}')")
    assert accepted["status"] == "known"
    assert (await alice.does(f"client.lookUpPeerKey('{signer.id}')"))["status"] == "known"


async def test_key_survives_a_reload_and_is_not_published_again(
    open_client: OpenClient, library_server: RunningServer
) -> None:
    alice = await open_client("alice")
    identity = await alice.does("client.identity")
    assert identity["isNew"]
    await alice.starts()
    await alice.connects()
    again = await alice.does("client.identity")
    assert (again["publicKey"], again["isNew"], again["replacedAnother"]) == (identity["publicKey"], False, False)
    async with Person(library_server.ws_url, "reader") as reader:
        await reader.registers()
        await reader.send("PKD_LOOKUP", clientId=alice.id)
        await reader.expects("PKD_RESULT", publicKey=identity["publicKey"])


async def test_private_key_cannot_leave_the_browser(open_client: OpenClient) -> None:
    alice = await open_client("alice")
    is_extractable = await alice.does("""new Promise((resolve) => {
      const opening = indexedDB.open("securecall");
      opening.onsuccess = () => {
        const reading = opening.result.transaction("identities").objectStore("identities").getAll();
        reading.onsuccess = () => resolve(reading.result.map(({ privateKey }) => privateKey.extractable));
      };
    })""")
    assert is_extractable == [False]


async def test_key_that_an_operator_revoked_is_kept_until_a_person_replaces_it(
    open_client: OpenClient, library_database: Path
) -> None:
    alice = await open_client("alice")
    first = (await alice.does("client.identity"))["publicKey"]
    await asyncio.to_thread(decide, "REVOKE", alice.id, library_database)
    await alice.does("client.disconnect()")
    await alice.does("client.connect()")
    error = await alice.expects("error", code="key-refused")
    assert "This key was revoked by an operator" in error["message"]
    assert (await alice.does("client.identity"))["publicKey"] == first
    second = await alice.does("client.replaceIdentity()")
    assert second["publicKey"] != first
    assert second["isPublished"]


async def test_frozen_key_is_kept_and_signs_nothing(open_client: OpenClient, library_database: Path) -> None:
    """The directory has the key of another browser, with which this one's signature could not be verified."""
    alice, bob = await open_client("alice"), await open_client("bob")
    await asyncio.to_thread(decide, "FREEZE", alice.id, library_database)
    await alice.does("client.disconnect()")
    await alice.does("indexedDB.deleteDatabase('securecall') && null")
    await alice.starts()
    await alice.does("client.connect()")
    error = await alice.expects("error", code="key-refused")
    assert "this key is frozen" in error["message"]
    mine = (await alice.does("client.identity"))["publicKey"]
    await alice.calls(bob)
    await bob.expects("verification", status="unsigned")
    await alice.starts()
    await alice.does("client.connect()")
    await alice.expects("error", code="key-refused")
    assert (await alice.does("client.identity"))["publicKey"] == mine


def decide(decision: str, client_id: str, database: Path) -> None:
    """Decide on a key, as an operator does in the admin."""
    script = f"""
from pkd.decisions import {decision}
from pkd.models import PublicKey
{decision}.decide(PublicKey.objects.get(client_id="{client_id}"), "olga", "stolen")
"""
    command = [sys.executable, "manage.py", "shell", "--verbosity", "0", "--command", script]
    subprocess.run(command, cwd=ROOT, check=True, env=environment(database))


async def test_safety_number_is_signals_recipe(open_client: OpenClient) -> None:
    alice = await open_client("alice", connected=False)
    clients = [("alice", "key of alice"), ("bob", "key of bob \N{LATIN SMALL LETTER E WITH ACUTE}")]
    arguments = [{"clientId": client_id, "publicKey": key} for client_id, key in clients]
    expected = "".join(sorted(half_of_safety_number(*client) for client in clients))
    assert await alice.does("([one, other]) => safetyNumber(one, other)", arguments) == expected
    assert await alice.does("([one, other]) => safetyNumber(other, one)", arguments) == expected
    assert expected == SAFETY_NUMBER


# Kept, so that neither side of the comparison can change unnoticed: people have compared such numbers.
SAFETY_NUMBER = "535391057404968260159176761973638795954630881991693088429330"


def half_of_safety_number(client_id: str, public_key: str) -> str:
    """NumericFingerprintGenerator of libsignal, with version 0."""
    key = public_key.encode()
    digest = b"\0\0" + key + client_id.encode()
    for _ in range(5200):
        digest = hashlib.sha512(digest + key).digest()
    chunks = [int.from_bytes(digest[at : at + 5], "big") % 100_000 for at in range(0, 30, 5)]
    return "".join(f"{chunk:05d}" for chunk in chunks)
