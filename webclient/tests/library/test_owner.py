"""Client IDs that belong to a key, as their owner has them, and as others see them."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers import ROOT, environment
from tests.support.statements import a_first_statement
from webclient.tests.firefox import FirefoxPage
from webclient.tests.library.clients import Client
from webclient.tests.library.conftest import OpenAnyClient, OpenClient
from webclient.tests.library.liar import Liar

pytestmark = pytest.mark.asyncio(loop_scope="session")

OWNING = {"claimsId": True}
FORGETS_EVERYTHING = "indexedDB.deleteDatabase('securecall') && null"
RESTORE_WRONGLY = """
client.owner().then(async (owner) => owner.restore(await owner.newRecoveryCode())).catch(({ code }) => code)
"""


async def again(page: Client[Any], client_id: str, **options: Any) -> Client[Any]:
    """Load the page anew, as this ID."""
    page.id = client_id
    return await page.starts(**OWNING, **options)


async def shown(client: Client[Any], state: str) -> dict[str, Any]:
    return await client.expects("ownership", state=state)


async def test_owner_registers_by_signature_and_a_stranger_does_not(open_any_client: OpenAnyClient, liar: Liar) -> None:
    alice = await open_any_client("alice", liar.port, **OWNING)
    await shown(alice, "owner")
    first = await alice.does("client.identity.publicKey")
    await (await again(alice, alice.id)).connects()
    await shown(alice, "owner")
    assert await alice.does("client.identity.publicKey") == first
    assert [sorted(payload) for payload in liar.heard("REGISTER")] == [
        ["clientId"],
        ["clientId"],
        ["challenge", "clientId", "signature"],
    ]
    stranger = await again(await open_any_client("stranger", connected=False), alice.id)
    refusal = await stranger.does("client.connect().catch(({ message }) => message)")
    assert refusal == (await shown(stranger, "foreign"))["sentence"]
    assert await alice.does("client.signaling.state") == "online"
    # Nobody has lost anything, so nothing is tried again.
    assert await stranger.does("client.signaling.state") == "closed"


async def test_owner_comes_back_by_the_recovery_code_and_peers_see_it(open_any_client: OpenAnyClient) -> None:
    alice, bob = await open_any_client("alice", **OWNING), await open_any_client("bob")
    code = await alice.does("client.owner().then((owner) => owner.newRecoveryCode())")
    await alice.does("(code) => client.owner().then((owner) => owner.setRecoveryCode(code))", code)
    assert (await alice.does("client.owner().then(({ status }) => status)"))["hasRecoveryCode"]
    before = await bob.does(f"client.lookUpPeerKey('{alice.id}')")
    assert before["status"] == "new"
    assert (await bob.does(f"client.setPeerVerified(true, '{alice.id}')"))["isVerified"]

    await alice.does(FORGETS_EVERYTHING)
    await again(alice, alice.id)
    await alice.does("client.connect().catch(() => null)")
    await shown(alice, "foreign")
    assert await alice.does(RESTORE_WRONGLY) == "bad-recovery-code"
    assert await alice.does("(code) => client.owner().then((owner) => owner.restore(code))", code.lower()) == "owner"
    await alice.connects()

    now = await bob.does(f"client.lookUpPeerKey('{alice.id}')")
    assert (now["status"], now["isVerified"], now["publicKey"] == before["publicKey"]) == ("moved", False, False)
    assert now["publicKey"] == await alice.does("client.identity.publicKey")
    assert (await bob.does(f"client.lookUpPeerKey('{alice.id}')"))["status"] == "known"
    await alice.talks_to(bob)
    await bob.expects("verification", status="verified")


async def test_profile_of_before_owners_claims_its_id_with_the_same_safety_number(
    open_client: OpenClient, library_database: Path, liar: Liar
) -> None:
    alice, bob = await open_client("alice", liar.port, connected=False), await open_client("bob")
    liar.refuses("PKD_REGISTER", {"code": "INVALID_MESSAGE"})
    await alice.does("client.connect()")
    await alice.expects("error", code="key-refused")
    key = await alice.does("client.identity.publicKey")
    # As if it had been published two days ago.
    await asyncio.to_thread(publish, alice.id, key, library_database)
    number = await bob.does(f"client.safetyNumber('{alice.id}')")
    await (await again(alice, alice.id)).connects()
    await shown(alice, "owner")
    assert (await bob.does(f"client.lookUpPeerKey('{alice.id}')"))["status"] == "known"
    assert await bob.does(f"client.safetyNumber('{alice.id}')") == number


async def test_key_of_today_claims_nothing_yet(open_client: OpenClient, liar: Liar) -> None:
    alice = await open_client("alice", liar.port)
    await (await again(alice, alice.id)).connects()
    await shown(alice, "free")
    assert [payload.get("statement") is None for payload in liar.heard("PKD_REGISTER")] == [True, False]
    assert (await alice.does("client.identity"))["isPublished"]


def publish(client_id: str, public_key: str, database: Path) -> None:
    """Put a key into the directory, two days ago."""
    script = f"""
from datetime import timedelta
from django.utils import timezone
from pkd.directory import fingerprint
from pkd.models import KeyChange, PublicKey
then = timezone.now() - timedelta(days=2)
new = fingerprint("{public_key}")
key = PublicKey.objects.create(
    client_id="{client_id}", public_key="{public_key}", fingerprint=new, first_seen=then, last_change=then
)
key.history.create(at=then, kind=KeyChange.Kind.PUBLISHED, who=KeyChange.CLIENT, new_fingerprint=new)
"""
    command = [sys.executable, "manage.py", "shell", "--verbosity", "0", "--command", script]
    subprocess.run(command, cwd=ROOT, check=True, env=environment(database))


async def test_statement_without_an_answer_is_sent_again(open_client: OpenClient, liar: Liar) -> None:
    alice = await open_client("alice", liar.port, **OWNING)
    lost = asyncio.Event()

    def lose(payload: dict[str, Any]) -> dict[str, Any]:
        if payload["statements"][-1]["statement"].split("\n")[3] == "seq 2":
            lost.set()
        return payload | {"clientId": "nobody"}

    async def replace() -> None:
        await alice.does("client.replaceIdentity().catch(() => {}) && null")
        await liar.hears("PKD_REGISTER", len(sent) + 1)

    async def come_back() -> str:
        await (await again(alice, alice.id)).connects()
        await shown(alice, "owner")
        key: str = await alice.does("client.identity.publicKey")
        sent[:] = liar.heard("PKD_REGISTER")
        assert key == sent[-1]["publicKey"]
        return key

    sent = liar.heard("PKD_REGISTER")
    first = await alice.does("client.identity.publicKey")
    # Refused for a while that nobody waits for: the key before registers, and the statement is sent again.
    liar.refuses("PKD_REGISTER", {"code": "RATE_LIMITED", "retryAfterMs": 60_000})
    refused = await alice.does("client.replaceIdentity().catch(({ code, message }) => [code, message])")
    assert refused == ["RATE_LIMITED", "The server does not do that now. It says: “No.”"]
    second = await come_back()
    assert [payload["statement"] for payload in sent[1:]] == [sent[1]["statement"]] * 2
    # Lost on the way back: the new key registers, and there is nothing to send.
    liar.lies("PKD_RESULT", lose)
    await replace()
    await asyncio.wait_for(lost.wait(), 20)
    liar.lies("PKD_RESULT", lambda it: it)
    third = await come_back()
    assert len(liar.heard("PKD_REGISTER")) == 4
    assert len({first, second, third}) == 3


async def test_thief_of_a_profile_is_owner_until_the_code_is_used(open_any_client: OpenAnyClient) -> None:
    alice: Client[Any] = await open_any_client("alice", alters_page=True, **OWNING)
    code = await alice.does("client.owner().then((owner) => owner.newRecoveryCode())")
    await alice.does("(code) => client.owner().then((owner) => owner.setRecoveryCode(code))", code)
    # A second page of one profile stands for the copy of it.
    is_firefox = isinstance(alice.page, FirefoxPage)
    page = await (alice.page.opens_another() if is_firefox else alice.page.context.new_page())
    thief: Client[Any] = Client(alice.id, alice.port, page)
    await thief.starts(**OWNING)
    await thief.connects()
    await alice.expects("signaling", state="superseded")
    for _ in range(10):
        await thief.does("client.replaceIdentity()")
    stolen = await thief.does("client.owner().then((owner) => owner.setRecoveryCode('')).catch(({ code }) => code)")
    assert stolen == "bad-recovery-code"
    device = await again(await open_any_client("device", connected=False), alice.id)
    await device.does("(code) => client.owner().then((owner) => owner.restore(code))", code)
    await device.connects()
    await thief.expects("signaling", state="superseded")
    await shown(thief, "changed")
    await thief.does("client.connect().catch(() => null)")
    assert (await shown(thief, "changed"))["sentence"].startswith("Somebody changed your identity.")
    assert await device.does("client.signaling.state") == "online"


async def test_answer_that_does_not_follow_is_refused_and_kept(open_client: OpenClient, liar: Liar) -> None:
    alice, bob = await open_client("alice", **OWNING), await open_client("bob", liar.port)
    known = await bob.does(f"client.lookUpPeerKey('{alice.id}')")
    await alice.does("client.replaceIdentity()")

    def about_alice(change: dict[str, Any]) -> None:
        liar.lies("PKD_RESULT", lambda it: it | change if it["clientId"] == alice.id else it)

    lies: list[dict[str, Any]] = [
        {"publicKey": "another"},
        {"status": "unsigned", "statements": []},
        {"statements": []},
        {"directory": "calls.example.net"},
        {"directory": None},
        {"status": "owned"},
    ]
    for lie in lies:
        about_alice(lie)
        refused = await bob.does(f"client.lookUpPeerKey('{alice.id}')")
        assert (refused["status"], refused["publicKey"]) == ("refused", None), lie
        assert refused["pinnedKey"] == known["publicKey"]
        evidence = await bob.expects("evidence", clientId=alice.id)
        assert evidence["answers"][0].items() >= lie.items()
        assert evidence["pinned"].startswith("securecall-statement-v2\n")

    liar.lies("PKD_RESULT", of_an_old_server)
    assert (await bob.does(f"client.lookUpPeerKey('{alice.id}')"))["status"] == "refused"
    # Nor is it believed of somebody whom nobody has looked up before.
    assert (await bob.does("client.lookUpPeerKey('carol')"))["status"] == "refused"
    liar.lies("PKD_RESULT", lambda it: it)
    assert (await bob.does(f"client.lookUpPeerKey('{alice.id}')"))["status"] == "moved"


def of_an_old_server(it: dict[str, Any]) -> dict[str, Any]:
    return {name: it[name] for name in ("clientId", "publicKey")}


async def test_first_answer_is_believed_only_of_the_directory_that_the_application_knows(
    open_client: OpenClient, liar: Liar
) -> None:
    bob = await open_client("bob", liar.port, connected=False, directory="calls.example.org")
    for lie in (of_an_old_server, lambda it: it | {"directory": "calls.example.net"}):
        liar.lies("PKD_RESULT", lie)
        await bob.does("client.connect()")
        await bob.expects("error", code="refused-answer")
        assert (await bob.does("client.lookUpPeerKey('carol')"))["status"] == "refused"
        await bob.starts(directory="calls.example.org")
    liar.lies("PKD_RESULT", lambda it: it)
    await bob.connects()
    assert (await bob.does("client.lookUpPeerKey('carol')"))["status"] == "unpublished"


def without_proof(payload: dict[str, Any]) -> dict[str, Any]:
    """Return what a server without a public log answers."""
    return {name: it for name, it in payload.items() if name != "proof"}


@pytest.mark.parametrize(("status", "state"), [("released", "free"), ("revoked", "foreign")])
async def test_no_key_is_published_for_a_name_that_was_somebodys(
    status: str, state: str, open_client: OpenClient, liar: Liar
) -> None:
    alice = await open_client("alice", liar.port, connected=False)
    row = a_first_statement(alice.id)
    liar.lies("PKD_RESULT", lambda it: without_proof(it) | {"status": status, "statements": [row], "publicKey": None})
    await again(alice, alice.id)
    await alice.does("client.connect()")
    await shown(alice, state)
    await alice.expects("identity", isPublished=False)
    await alice.asks_often()
    assert liar.heard("PKD_REGISTER") == []


async def test_registering_without_a_signature_is_an_alarm(open_client: OpenClient, liar: Liar) -> None:
    alice = await open_client("alice", liar.port, **OWNING)
    await shown(alice, "owner")
    await alice.does("client.disconnect()")
    own_id = alice.id
    liar.lies("ERROR", lambda it: it | {"code": "RATE_LIMITED", "retryAfterMs": 60_000, "challenge": None})
    await again(alice, own_id)
    await alice.does("client.connect() && null")
    await liar.hears("REGISTER", 2)
    await liar.tells("REGISTERED", {"clientId": own_id, "iceServers": []})
    assert (await shown(alice, "changed"))["sentence"].startswith("Somebody changed your identity.")


async def test_name_moves_to_another_device_that_its_owner_allowed(open_client: OpenClient) -> None:
    alice = await open_client("alice", **OWNING)
    device = await again(await open_client("device", connected=False), alice.id)
    await device.does("client.connect().catch(() => null)")
    await shown(device, "foreign")
    request = await device.does("client.owner().then((owner) => owner.requestMove())")
    allowed = await alice.does("(it) => client.owner().then((owner) => owner.allowMove(it))", f" {request}\n")
    mistaken = "(it) => client.owner().then((owner) => owner.completeMove(it)).catch(({ code }) => code)"
    for wrong in ("", request, allowed[:-4]):
        assert await device.does(mistaken, wrong) == "bad-move"
    assert await device.does(mistaken, allowed) == "owner"
    await device.connects()
    await alice.expects("signaling", state="superseded")
    assert (await shown(alice, "moved"))["sentence"] == f"You moved the name {alice.id} to another device."


async def test_owner_looks_once_a_day_whether_the_name_is_still_theirs(open_client: OpenClient, liar: Liar) -> None:
    # With a clock that is a day ahead nothing that the public record says is of now.
    liar.lies("PKD_RESULT", without_proof)
    alice = await open_client("alice", liar.port, connected=False, alters_page=True)
    await alice.page.clock.install()
    await (await again(alice, alice.id)).connects()
    await shown(alice, "owner")
    await alice.page.clock.fast_forward("23:59:00")
    await alice.asks_often()
    assert await alice.does("events.filter(({ type }) => type === 'ownership').length") == 1
    await alice.page.clock.fast_forward("00:02:00")
    await shown(alice, "owner")
