"""Client IDs that belong to a key, from claiming to recovery, over the wire and on both registries."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone
from pytest_django import Settings

from pkd import keys, release
from pkd.models import Identity as Row
from pkd.models import PublicKey, Release
from pkd.statements import NOTHING
from pkd.tests.test_append_only_statements import erase_all
from signaling.cluster.node import Node
from signaling.connections.registration import OWNED
from signaling.tests.owning import (
    DIRECTORY,
    Identity,
    Recovery,
    becomes_owner,
    first,
    following,
    is_challenged,
    registers_as_owner,
    signed,
    signs_in,
    states,
)
from signaling.tests.people import OFFER, Person, call

pytestmark = pytest.mark.django_db(transaction=True)

Join = Callable[..., Awaitable[Person]]
ALICE, NEW_PHONE, THIEF = Identity("alice 1"), Identity("alice 2"), Identity("thief")
PAPER, THIEFS_PAPER = Recovery("paper"), Recovery("thief's paper")


@pytest.fixture(autouse=True)
async def directory_with_owners(transactional_db: None, settings: Settings, here: Node) -> AsyncIterator[None]:  # noqa: ARG001
    settings.DIRECTORY_NAME = DIRECTORY
    yield
    await sync_to_async(erase_all)()


@pytest.fixture
async def alice(join: Join) -> Person:
    """Alice, whose ID belongs to her phone's key."""
    person = await (await join()).register("alice")
    await becomes_owner(person, ALICE, PAPER)
    return person


async def refused(person: Person, code: str, request: str, **fields: Any) -> dict[str, Any]:
    return await person.expects("ERROR", code=code, request=request, **fields)


# --- REGISTER ---


async def test_owned_id_is_registered_by_signature(alice: Person, join: Join) -> None:
    again = await join()
    await registers_as_owner(again, ALICE)
    await alice.expects_close(4409)
    # Repeated on that connection it needs no signature.
    await again.register("alice")


async def test_who_cannot_sign_disturbs_nobody(alice: Person, join: Join) -> None:
    stranger, bob = await join(), await (await join()).register("bob")
    challenges = [await is_challenged(stranger)]
    await signs_in(stranger, THIEF, challenge=challenges[0])
    error = await refused(stranger, "NOT_REGISTERED", "REGISTER", message=OWNED)
    challenges.append(error["challenge"])
    challenges.append(await is_challenged(stranger))
    assert len(set(challenges)) == 3
    await alice.expects_nothing()
    await stranger.send("CALL_INITIATE", targetId="bob", sdpOffer=OFFER)
    await refused(stranger, "NOT_REGISTERED", "CALL_INITIATE")
    await bob.send("CALL_INITIATE", targetId="alice", sdpOffer=OFFER)
    await alice.expects("INCOMING_CALL", callerId="bob")


async def test_challenge_is_of_one_attempt_and_one_connection(alice: Person, join: Join) -> None:
    await alice.leaves()
    one, other = await join(), await join()
    challenge = await is_challenged(one)
    # Of another connection.
    await signs_in(other, ALICE, challenge=challenge)
    await refused(other, "NOT_REGISTERED", "REGISTER")
    # Used up by another attempt.
    await is_challenged(one)
    await signs_in(one, ALICE, challenge=challenge)
    await refused(one, "NOT_REGISTERED", "REGISTER")
    await registers_as_owner(one, ALICE)


@pytest.mark.parametrize("fields", [{"challenge": 7}, {"signature": []}, {"challenge": None, "signature": None}, {}])
async def test_what_is_no_signature_is_challenged_anew(alice: Person, join: Join, fields: dict[str, Any]) -> None:
    stranger = await join()
    await is_challenged(stranger)
    await is_challenged(stranger, **fields)
    await alice.expects_nothing()


async def test_added_fields_mean_nothing_for_an_id_that_belongs_to_no_key(join: Join) -> None:
    bob = await join()
    await bob.send("REGISTER", clientId="bob", challenge=7, signature={"a": 1})
    assert (await bob.expects("REGISTERED", clientId="bob")).keys() == {"clientId", "iceServers"}


# What the client calls the server, what it signs, and whether that is taken.
HOSTS = {
    "the directory": ("", DIRECTORY, True),
    "a host that is allowed in full": ("Calls.Example.net:443", "calls.example.net", True),
    "with its port": ("calls.example.net:8443", "calls.example.net:8443", True),
    "of another port": ("calls.example.net:8443", "calls.example.net", False),
    "behind a proxy that rewrites it": ("10.0.0.7:8000", DIRECTORY, True),
    "another server's": ("calls.example.net", "evil.example.com", False),
    "one that nobody allowed": ("evil.example.com", "evil.example.com", False),
    "one that a pattern allowed": ("evil.example.org", "evil.example.org", False),
}


@pytest.mark.parametrize("case", HOSTS.values(), ids=HOSTS)
async def test_signature_is_for_the_server_that_the_client_opened(
    alice: Person, join: Join, settings: Settings, case: tuple[str, str, bool]
) -> None:
    host, server, is_taken = case
    settings.ALLOWED_HOSTS = ["calls.example.net", ".example.org", "*"]
    await alice.leaves()
    again = await join(host=host)
    await signs_in(again, ALICE, server=server)
    if is_taken:
        await again.expects("REGISTERED", clientId="alice")
    else:
        await refused(again, "NOT_REGISTERED", "REGISTER")


async def test_held_messages_and_calls_are_handed_over_after_the_signature(alice: Person, join: Join) -> None:
    bob = await (await join()).register("bob")
    call_id = await call(alice, bob)
    await alice.is_cut_off()
    await bob.send("ICE_CANDIDATE", callId=call_id, candidate="candidate:1")
    await bob.expects_nothing()
    stranger = await join()
    await is_challenged(stranger)
    await stranger.expects_nothing()
    again = await join()
    calls = (await registers_as_owner(again, ALICE))["calls"]
    assert [known["callId"] for known in calls] == [call_id]
    await again.expects("ICE_CANDIDATE", callId=call_id, candidate="candidate:1")


async def test_unsigned_ids_are_refused_where_identities_are_required(
    alice: Person, join: Join, settings: Settings
) -> None:
    settings.REQUIRE_IDENTITY = True
    bob = await join()
    await bob.send("REGISTER", clientId="bob")
    assert "challenge" not in await refused(bob, "NOT_REGISTERED", "REGISTER")
    await alice.leaves()
    await registers_as_owner(bob, ALICE)


# --- Statements ---


async def test_claim_takes_a_connection_that_is_registered_as_the_id(join: Join) -> None:
    stranger = await join()
    statement = first(ALICE)
    await states(stranger, statement, signed(statement, ALICE))
    await refused(stranger, "NOT_REGISTERED", "PKD_REGISTER")
    await stranger.register("mallory")
    await states(stranger, statement, signed(statement, ALICE))
    await refused(stranger, "NOT_REGISTERED", "PKD_REGISTER")


async def test_lookup_of_anybody_tells_the_statements(alice: Person, join: Join) -> None:
    stranger = await join()
    statement = first(ALICE, PAPER.public)
    await stranger.send("PKD_LOOKUP", clientId="alice", after=-1)
    found = await stranger.expects("PKD_RESULT", clientId="alice", publicKey=ALICE.public, status="signed")
    (only,) = found["statements"]
    assert (only["statement"], only["kind"], only["signatures"].keys()) == (statement.text, 1, {"identity"})
    assert keys.is_signed_by_identity(statement.text, only["signatures"]["identity"], ALICE.public)
    await stranger.send("PKD_LOOKUP", clientId="alice", after=0)
    (only,) = (await stranger.expects("PKD_RESULT"))["statements"]
    assert only == {"statement": statement.text, "signatures": {}, "kind": 1}
    await stranger.send("PKD_LOOKUP", clientId="alice", after=2**70)
    assert (await stranger.expects("PKD_RESULT"))["statements"] == []
    await stranger.send("PKD_LOOKUP", clientId="bob", after=-1)
    assert await stranger.expects("PKD_RESULT") == {
        "clientId": "bob",
        "publicKey": None,
        "directory": DIRECTORY,
        "status": "unsigned",
        "statements": [],
    }
    await stranger.send("PKD_LOOKUP", clientId="alice")
    await refused(stranger, "NOT_REGISTERED", "PKD_LOOKUP")
    await alice.send("PKD_LOOKUP", clientId="alice")
    assert await alice.expects("PKD_RESULT") == {"clientId": "alice", "publicKey": ALICE.public}


@pytest.mark.parametrize("after", ["0", 0.5, True, -2, [], {}])
async def test_lookup_after_what_is_no_number_is_refused(join: Join, after: Any) -> None:
    stranger = await join()
    await stranger.send("PKD_LOOKUP", clientId="alice", after=after)
    await refused(stranger, "INVALID_MESSAGE", "PKD_LOOKUP")


async def test_recovery_needs_no_connection_and_throws_the_thief_out(alice: Person, join: Join) -> None:
    thief, bob, victim = await join(), await (await join()).register("bob"), await join()
    await registers_as_owner(thief, ALICE)
    await alice.expects_close(4409)
    call_id = await call(thief, bob)
    statement = following(
        first(ALICE, PAPER.public), identity=NEW_PHONE.public, key=keys.digest(NEW_PHONE.public), recovery=NOTHING
    )
    await states(victim, statement, signed(statement, NEW_PHONE, recovery=PAPER), after=0)
    told = await victim.expects("PKD_RESULT", publicKey=NEW_PHONE.public, status="signed")
    assert [row["statement"] for row in told["statements"]] == [first(ALICE, PAPER.public).text, statement.text]
    await thief.expects_close(4409)
    await bob.expects("CALL_ENDED", callId=call_id, reason="peer_disconnected")
    stolen = await join()
    await signs_in(stolen, ALICE)
    await refused(stolen, "NOT_REGISTERED", "REGISTER")
    assert "calls" not in await registers_as_owner(victim, NEW_PHONE)
    await victim.expects_nothing()


async def test_what_was_held_for_the_thief_is_gone(alice: Person, join: Join) -> None:
    bob, victim = await (await join()).register("bob"), await join()
    call_id = await call(alice, bob)
    await alice.is_cut_off()
    await bob.send("ICE_CANDIDATE", callId=call_id, candidate="candidate:1")
    await bob.expects_nothing()
    statement = following(first(ALICE, PAPER.public), identity=NEW_PHONE.public)
    await states(victim, statement, signed(statement, NEW_PHONE, recovery=PAPER), publicKey=ALICE.public)
    await victim.expects("PKD_RESULT")
    await bob.expects("CALL_ENDED", callId=call_id, reason="peer_disconnected")
    assert "calls" not in await registers_as_owner(victim, NEW_PHONE)
    await victim.expects_nothing()


async def test_statement_sent_again_is_answered_alike_and_disturbs_nobody(alice: Person, join: Join) -> None:
    stranger, statement = await join(), first(ALICE, PAPER.public)
    for person in (alice, stranger):
        await states(person, statement, signed(statement, ALICE))
        await person.expects("PKD_RESULT", publicKey=ALICE.public, status="signed")
    await alice.expects_nothing()
    again = await join()
    await registers_as_owner(again, ALICE)
    await alice.expects_close(4409)
    await states(stranger, statement, signed(statement, ALICE))
    await stranger.expects("PKD_RESULT")
    await again.expects_nothing()


BAD: dict[str, tuple[str, dict[str, Any]]] = {
    "no signatures": ("INVALID_MESSAGE", {"signatures": None}),
    "signatures that are a list": ("INVALID_MESSAGE", {"signatures": []}),
    "a signature that is a number": ("INVALID_MESSAGE", {"signatures": {"identity": 7}}),
    "another text": ("INVALID_MESSAGE", {"statement": "hello"}),
    "a statement that is a number": ("INVALID_MESSAGE", {"statement": 7}),
    "another client ID": ("INVALID_MESSAGE", {"clientId": "bob"}),
    "another public key": ("INVALID_MESSAGE", {"publicKey": "another"}),
    "no public key": ("INVALID_MESSAGE", {"publicKey": None}),
    "an empty public key": ("INVALID_MESSAGE", {"publicKey": ""}),
    "after what is no number": ("INVALID_MESSAGE", {"after": "0"}),
}


@pytest.mark.parametrize(("code", "fields"), BAD.values(), ids=BAD)
async def test_bad_statement_is_refused(alice: Person, code: str, fields: dict[str, Any]) -> None:
    statement = following(first(ALICE, PAPER.public), recovery=PAPER.public)
    await states(alice, statement, signed(statement, ALICE), **fields)
    error = await refused(alice, code, "PKD_REGISTER")
    assert error["message"].endswith(".")
    await alice.send("PKD_LOOKUP", clientId="alice", after=-1)
    assert len((await alice.expects("PKD_RESULT"))["statements"]) == 1


async def test_key_that_leaves_no_room_for_statements_is_refused(alice: Person, join: Join) -> None:
    key = "\x01" * 8_000
    statement = following(first(ALICE, PAPER.public), key=keys.digest(key))
    await states(alice, statement, signed(statement, ALICE), publicKey=key)
    assert "six" in (await refused(alice, "INVALID_MESSAGE", "PKD_REGISTER"))["message"]
    bob, longest = await (await join()).register("bob"), "\x01" * 10_905
    await bob.send("PKD_REGISTER", clientId="bob", publicKey=longest)
    await bob.expects("PKD_RESULT", publicKey=longest)
    await bob.send("PKD_LOOKUP", clientId="bob", after=-1)
    await refused(bob, "INVALID_MESSAGE", "PKD_LOOKUP")
    await bob.send("PKD_LOOKUP", clientId="bob")
    await bob.expects("PKD_RESULT", publicKey=longest)


async def test_key_without_a_statement_is_refused(alice: Person) -> None:
    await alice.send("PKD_REGISTER", clientId="alice", publicKey="another")
    error = await refused(alice, "INVALID_MESSAGE", "PKD_REGISTER")
    assert "belongs to a key" in error["message"]


async def test_owner_without_a_recovery_code_withdraws_his_key(join: Join) -> None:
    alice = await (await join()).register("alice")
    statement = following(await becomes_owner(alice, ALICE), key=NOTHING)
    await states(alice, statement, signed(statement, ALICE))
    await alice.expects("PKD_RESULT", publicKey=None, status="signed")
    await alice.expects_nothing()


async def test_new_identities_of_an_address_are_limited(join: Join, settings: Settings) -> None:
    settings.LIMIT_NEW_IDENTITIES_PER_HOUR = 1
    for number, address in enumerate(["203.0.113.1", "203.0.113.1", "203.0.113.2"]):
        person = await (await join(address=address)).register(f"client-{number}")
        statement = first(ALICE, client_id=f"client-{number}")
        await states(person, statement, signed(statement, ALICE))
        if number == 1:
            assert (await refused(person, "RATE_LIMITED", "PKD_REGISTER"))["retryAfterMs"] > 3_000_000
        else:
            await person.expects("PKD_RESULT", status="signed")


async def test_statements_of_a_connection_are_limited_as_keys_are(alice: Person, settings: Settings) -> None:
    most = settings.LIMITS.pkd_registers_per_minute
    statement = first(ALICE, PAPER.public)
    for _ in range(most - 1):
        await states(alice, statement, signed(statement, ALICE))
        await alice.expects("PKD_RESULT")
    await states(alice, statement, signed(statement, ALICE))
    await refused(alice, "RATE_LIMITED", "PKD_REGISTER")


async def test_without_a_directory_name_statements_mean_nothing(join: Join, settings: Settings) -> None:
    settings.DIRECTORY_NAME = ""
    alice, statement = await join(), first(ALICE)
    await states(alice, statement, signed(statement, ALICE))
    await refused(alice, "NOT_REGISTERED", "PKD_REGISTER", message="Send REGISTER with your clientId first.")
    await alice.send("PKD_LOOKUP", clientId="alice", after=-1)
    await refused(alice, "NOT_REGISTERED", "PKD_LOOKUP")
    await alice.register("alice")
    await states(alice, statement, signed(statement, ALICE))
    assert await alice.expects("PKD_RESULT") == {"clientId": "alice", "publicKey": ALICE.public}
    await alice.send("PKD_LOOKUP", clientId="alice", after="what")
    assert await alice.expects("PKD_RESULT") == {"clientId": "alice", "publicKey": ALICE.public}
    await states(alice, statement, signed(statement, ALICE), publicKey=None)
    await refused(alice, "INVALID_MESSAGE", "PKD_REGISTER", message="publicKey is not a string; give the key as one.")


# --- Releases and erasing ---


def decide(*, is_in_effect: bool = False, days: int = 0) -> None:
    now = timezone.now()
    Row.objects.update(owned_since=now - timedelta(days=days))
    release.decide(PublicKey.objects.get(client_id="alice"), "olga", "lost everything")
    if is_in_effect:
        Release.objects.update(takes_effect_at=now - timedelta(seconds=1))
    Row.objects.update(changed_at=now)


async def test_owner_who_registers_cancels_a_release(alice: Person, join: Join, here: Node) -> None:
    await sync_to_async(decide)(days=31)
    await here.relay.owners.catch_up()
    again = await join()
    await registers_as_owner(again, ALICE)
    await again.send("PKD_LOOKUP", clientId="alice", after=0)
    assert "releasedAt" not in await again.expects("PKD_RESULT", status="signed")
    await alice.expects_close(4409)


async def test_released_id_is_registered_and_claimed_by_anybody(alice: Person, join: Join, here: Node) -> None:
    await sync_to_async(decide)(is_in_effect=True)
    await here.relay.owners.catch_up()
    newcomer = await (await join()).register("alice")
    await alice.expects_close(4409)
    await newcomer.send("PKD_LOOKUP", clientId="alice", after=-1)
    found = await newcomer.expects("PKD_RESULT", publicKey=None, status="released")
    assert found["releasedAt"] <= timezone.now().timestamp() * 1000
    statement = following(first(ALICE, PAPER.public), identity=NEW_PHONE.public, key=keys.digest(NEW_PHONE.public))
    await states(newcomer, statement, signed(statement, NEW_PHONE))
    told = await newcomer.expects("PKD_RESULT", publicKey=NEW_PHONE.public, status="signed")
    assert [row["kind"] for row in told["statements"]] == [1, 2]
    await newcomer.expects_nothing()
    stranger = await join()
    await is_challenged(stranger)


async def test_owner_who_comes_back_throws_out_who_registered_meanwhile(alice: Person, join: Join, here: Node) -> None:
    await alice.leaves()
    await sync_to_async(decide)(is_in_effect=True)
    await here.relay.owners.catch_up()
    squatter = await (await join()).register("alice")
    statement = following(first(ALICE, PAPER.public), key=NOTHING)
    owner = await join()
    await states(owner, statement, signed(statement, ALICE))
    await owner.expects("PKD_RESULT", status="signed")
    await squatter.expects_close(4409)
    await is_challenged(await join())
    await registers_as_owner(owner, ALICE)


async def test_erased_id_is_closed(alice: Person, join: Join, here: Node) -> None:
    await alice.leaves()

    def erase() -> None:
        release.erase(PublicKey.objects.get(client_id="alice"), "olga", "asked for")

    await sync_to_async(erase)()
    await here.relay.owners.catch_up()
    stranger = await join()
    await stranger.send("REGISTER", clientId="alice")
    assert "challenge" not in await refused(stranger, "NOT_REGISTERED", "REGISTER")
    statement = first(ALICE, PAPER.public)
    await states(stranger, statement, signed(statement, ALICE))
    await refused(stranger, "INVALID_MESSAGE", "PKD_REGISTER")
    await stranger.send("PKD_LOOKUP", clientId="alice", after=-1)
    assert await stranger.expects("PKD_RESULT") == {
        "clientId": "alice",
        "publicKey": None,
        "directory": DIRECTORY,
        "status": "erased",
        "statements": [{"kind": 1}],
    }
