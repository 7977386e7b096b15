"""The public log over the wire: proofs in every answer, on both guards, and what stops it."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient
from pytest_django import Settings

from pkd.keys import from_base64url
from signaling.answers import proved
from signaling.cluster.node import Node
from signaling.connections.public_log import PublicLog
from signaling.tests.owning import Identity, Recovery, becomes_owner, first, following, signed, states
from signaling.tests.people import Person
from transparency import merkle, notes
from transparency.guard import FileStore, Tree
from transparency.keys import LogKeys
from transparency.models import Entry
from transparency.proofs import Question, answer
from transparency.tests.logged import CHECKPOINT_AT, TRUST, accepts

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("keys")]

Join = Callable[..., Awaitable[Person]]
ALICE, NEW_PHONE, BOB = Identity("alice 1"), Identity("alice 2"), Identity("bob")
PAPER = Recovery("paper")


def seen(keys: LogKeys, told: dict[str, Any]) -> notes.Checkpoint:
    """Verify an answer's checkpoint and that its entry is the last one."""
    proof = told["proof"]
    found, _ = notes.read(proof["checkpoint"], keys.signer.verifier)
    leaf = merkle.leaf_hash(from_base64url(proof["entry"], 142))
    hashes = from_base64url(proof["inclusion"], len(proof["inclusion"]) * 3 // 4)
    path = [hashes[at : at + 32] for at in range(0, len(hashes), 32)]
    merkle.verify_inclusion(found.size - 1, found.size, leaf, path, found.root)
    return found


def told_by_vectors(keys: LogKeys, client_id: str, size: int) -> Any:
    question = Question(client_id, -1, size, CHECKPOINT_AT)
    return msgspec.json.decode(msgspec.json.encode(proved(client_id, answer(keys, None, question))))


async def test_answers_are_those_of_the_vectors(keys: LogKeys) -> None:
    for number in range(3):
        await sync_to_async(accepts)(keys, number)
    for client_id, size in (("alice", 1), ("carol", 2)):
        expected = TRUST[f"lookup{client_id.capitalize()}"] | {"directory": TRUST["directory"]}
        assert await sync_to_async(told_by_vectors)(keys, client_id, size) == expected


async def test_every_answer_is_proved(here: Node, join: Join, keys: LogKeys) -> None:
    alice, bob, stranger = await (await join()).register("alice"), await (await join()).register("bob"), await join()
    statement = await becomes_owner(alice, ALICE, PAPER)
    moved = following(statement, identity=NEW_PHONE.public)
    await states(alice, moved, signed(moved, NEW_PHONE, recovery=PAPER), publicKey=ALICE.public, after=0, size=1)
    told = await alice.expects("PKD_RESULT", publicKey=ALICE.public, status="signed")
    assert seen(keys, told).size == 2
    assert [row.keys() for row in told["statements"]] == [{"statement", "signatures", "update"}] * 2
    assert (told["statements"][0]["signatures"], len(told["proof"]["consistency"])) == ({}, 43)
    claim = first(BOB, client_id="bob")
    await states(bob, claim, signed(claim, BOB))
    assert seen(keys, await bob.expects("PKD_RESULT", status="signed")).size == 3
    for client_id, count in (("alice", 2), ("bob", 1), ("carol", 0)):
        await stranger.send("PKD_LOOKUP", clientId=client_id, after=-1, size=3)
        found = await stranger.expects("PKD_RESULT", clientId=client_id)
        assert (seen(keys, found).size, len(found["statements"]), found["proof"]["consistency"]) == (3, count, "")
    await stranger.send("PKD_LOOKUP", clientId="alice", after=1, size=4)
    assert "consistency" not in (await stranger.expects("PKD_RESULT"))["proof"]
    # A client of the reference sees nothing of all this.
    await bob.send("PKD_LOOKUP", clientId="alice")
    assert await bob.expects("PKD_RESULT") == {"clientId": "alice", "publicKey": ALICE.public}
    kept = await here.relay.log.store.read(keys.vkey)
    assert kept is not None
    assert kept.size == 3


async def test_statement_sent_again_is_answered_with_nothing_appended(join: Join, keys: LogKeys) -> None:
    alice = await (await join()).register("alice")
    statement = await becomes_owner(alice, ALICE)
    await states(alice, statement, signed(statement, ALICE))
    assert seen(keys, await alice.expects("PKD_RESULT", status="signed")).size == 1


async def test_database_that_was_put_back_signs_nothing_and_calls_go_on(
    here: Node, join: Join, keys: LogKeys, caplog: pytest.LogCaptureFixture
) -> None:
    alice, bob = await (await join()).register("alice"), await (await join()).register("bob")
    await becomes_owner(alice, ALICE)
    await here.relay.log.store.keep(keys.vkey, Tree(2, bytes(32)))
    claim = first(BOB, client_id="bob")
    for _ in range(2):
        await states(bob, claim, signed(claim, BOB))
        await bob.expects("ERROR", code="RATE_LIMITED", request="PKD_REGISTER")
    await bob.send("PKD_LOOKUP", clientId="alice", after=-1)
    await bob.expects("ERROR", code="RATE_LIMITED", request="PKD_LOOKUP")
    assert (await AsyncClient().get("/log/checkpoint")).status_code == 503
    here.relay.log.poll()
    await here.relay.log.close()
    assert "an older copy" in here.relay.log.state().stopped_by
    # The operator is told once.
    (line,) = [record.getMessage() for record in caplog.records if "public log" in record.getMessage()]
    assert "an older copy" in line
    assert await sync_to_async(Entry.objects.count)() == 1
    await bob.send("PKD_LOOKUP", clientId="alice")
    await bob.expects("PKD_RESULT", publicKey=ALICE.public)
    await bob.send("PKD_REGISTER", clientId="bob", publicKey="opaque key of bob")
    await bob.expects("PKD_RESULT", publicKey="opaque key of bob")


async def test_checkpoint_over_http_is_kept_before_it_leaves(here: Node, keys: LogKeys) -> None:
    for number in range(3):
        await sync_to_async(accepts)(keys, number)
    response = await AsyncClient().get("/log/checkpoint")
    assert (response.status_code, response["Access-Control-Allow-Origin"]) == (200, "*")
    found, _ = notes.read(response.content.decode(), keys.signer.verifier)
    assert found.root.hex() == TRUST["roots"][2]
    assert await here.relay.log.store.read(keys.vkey) == Tree(3, found.root)
    state = here.relay.log.state()
    assert (state.size, state.stopped_by) == (3, "")
    assert 0 <= state.age_seconds < 60


async def test_size_that_is_no_number_is_refused(join: Join) -> None:
    stranger = await join()
    sizes: list[Any] = ["0", 0.5, True, -1, [], {}]
    for size in sizes:
        await stranger.send("PKD_LOOKUP", clientId="alice", after=-1, size=size)
        await stranger.expects("ERROR", code="INVALID_MESSAGE", request="PKD_LOOKUP")


async def test_without_keys_the_server_proves_nothing(join: Join, settings: Settings) -> None:
    settings.LOG_KEY = ""
    alice = await (await join()).register("alice")
    await becomes_owner(alice, ALICE)
    await alice.send("PKD_LOOKUP", clientId="alice", after=-1, size=7)
    told = await alice.expects("PKD_RESULT")
    assert "proof" not in told
    assert told["statements"][0].keys() == {"statement", "signatures", "kind"}
    log = PublicLog(FileStore(settings.LOG_GUARD))
    log.poll()
    assert log.state() == (0, 0, "", [], 0)
