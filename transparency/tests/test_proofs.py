"""Proofs: the whole answers of the vectors, of an empty log and of an erased ID; and what stops them."""

from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from pkd import release
from pkd.keys import base64url
from pkd.models import PublicKey
from transparency import merkle, notes, prefix_tree, vrf
from transparency.entry import Entry, Update
from transparency.guard import Tree
from transparency.keys import LogKeys, current
from transparency.proofs import Answer, Proof, Question, answer, checkpoint
from transparency.stored import StoppedError
from transparency.tests.logged import CHECKPOINT_AT, TRUST, accepts, keys

__all__ = ["keys"]

pytestmark = pytest.mark.django_db(transaction=True)
ROOTS = [bytes.fromhex(text) for text in TRUST["roots"]]


def asked(keys: LogKeys, client_id: str, after: int = -1, size: int = 0, kept: Tree | None = None) -> Answer:
    return answer(keys, kept, Question(client_id, after, size, CHECKPOINT_AT))


def written(found: Answer) -> dict[str, Any]:
    """The proof as the wire has it."""
    proof = found.proof
    assert proof.consistency is not None
    leaf = proof.non_inclusion_leaf
    return {
        "checkpoint": proof.signed.checkpoint,
        "entry": base64url(proof.entry),
        "inclusion": base64url(b"".join(proof.inclusion)),
        "consistency": base64url(b"".join(proof.consistency)),
        "vrfProof": base64url(proof.vrf_proof),
        "siblings": base64url(b"".join(proof.siblings)),
        "nonInclusionLeaf": None if leaf is None else base64url(leaf),
    }


def verified(keys: LogKeys, client_id: str, found: Answer) -> Update | None:
    """Verify a proof as a client does; returns the last entry's update of this ID, if it is the last one."""
    seen, _ = notes.read(found.proof.signed.checkpoint, keys.signer.verifier)
    index = vrf.verify(keys.vrf.public, client_id.encode(), found.proof.vrf_proof)[: vrf.INDEX_BYTES]
    last = Entry.decode(found.proof.entry)
    leaf = merkle.leaf_hash(found.proof.entry)
    merkle.verify_inclusion(seen.size - 1, seen.size, leaf, found.proof.inclusion, seen.root)
    value = Update.decode(found.updates[-1]).digest if found.updates else None
    root = prefix_tree.root_of(index, value, found.proof.siblings, found.proof.non_inclusion_leaf)
    assert root == last.prefix_root
    return last.update if last.update.index == index else None


def test_answers_are_those_of_the_vectors(keys: LogKeys) -> None:
    for number in range(3):
        accepts(keys, number)
    # Of the sizes that the clients of the vectors knew.
    for client_id, size in (("alice", 1), ("carol", 2)):
        expected, found = TRUST[f"lookup{client_id.capitalize()}"], asked(keys, client_id, size=size)
        assert written(found) == expected["proof"]
        assert [base64url(update) for update in found.updates] == [row["update"] for row in expected["statements"]]
        assert (found.standing.public_key, found.standing.status) == (expected["publicKey"], expected["status"])
        assert found.proof.signed.tree == Tree(3, ROOTS[2])


def test_client_gets_what_it_lacks(keys: LogKeys) -> None:
    for number in range(3):
        accepts(keys, number)
    known = asked(keys, "alice", after=0, size=3)
    assert (len(known.updates), known.proof.consistency) == (2, [])
    assert asked(keys, "alice", after=1, size=4).proof.consistency is None
    beyond = asked(keys, "alice", after=7)
    assert (beyond.updates, beyond.standing.statements, beyond.standing.status) == ([], [], "signed")
    assert checkpoint(keys, None, CHECKPOINT_AT) == known.proof.signed
    assert verified(keys, "alice", known) == Update.decode(known.updates[1])
    assert verified(keys, "bob", asked(keys, "bob")) is None


def test_answer_takes_few_queries(keys: LogKeys) -> None:
    for number in range(3):
        accepts(keys, number)
    # The directory's two, the log's end, the index, the updates, a path of the prefix tree, and the Merkle tree.
    for client_id, most in (("alice", 7), ("carol", 5)):
        with CaptureQueriesContext(connection) as captured:
            asked(keys, client_id, size=1)
        queries = [query["sql"].strip() for query in captured.captured_queries]
        selects = [sql for sql in queries if sql.startswith("SELECT")]
        assert len(selects) <= most, selects
        # The end of a joined log is found by sorting all of its entries.
        assert not [sql for sql in selects if "transparency_entry" in sql and "JOIN" in sql]


def test_empty_log_proves_with_a_checkpoint_and_an_index_alone(keys: LogKeys) -> None:
    found = asked(keys, "alice", size=0)
    signed = found.proof.signed
    assert found.proof == Proof(signed, b"", [], [], keys.vrf.prove(b"alice"), [], None)
    assert signed.tree == Tree(0, merkle.EMPTY_ROOT)
    seen, at = notes.read(signed.checkpoint, keys.signer.verifier)
    assert (seen.size, seen.root, at) == (0, merkle.EMPTY_ROOT, CHECKPOINT_AT)
    assert asked(keys, "alice", size=1).proof.consistency is None


def test_erased_id_is_proved_by_its_last_update_alone(keys: LogKeys) -> None:
    for number in range(3):
        accepts(keys, number)
    before = asked(keys, "alice")
    release.erase(PublicKey.objects.get(client_id="alice"), "olga", "asked for")
    found = asked(keys, "alice")
    assert (found.standing.status, len(found.standing.statements)) == ("erased", 1)
    assert found.updates == before.updates[-1:]
    assert found.proof == before.proof
    verified(keys, "alice", found)


@pytest.mark.parametrize(
    "kept", [Tree(4, ROOTS[2]), Tree(3, ROOTS[1]), Tree(2, ROOTS[0])], ids=["older", "another", "fork"]
)
def test_nothing_is_signed_without_the_tree_that_was_signed(keys: LogKeys, kept: Tree) -> None:
    for number in range(3):
        accepts(keys, number)
    with pytest.raises(StoppedError):
        asked(keys, "alice", kept=kept)
    with pytest.raises(StoppedError):
        checkpoint(keys, kept, CHECKPOINT_AT)
    asked(keys, "alice", kept=Tree(2, ROOTS[1]))


def test_nothing_is_signed_without_the_statements_that_there_are(keys: LogKeys, settings: LazySettings) -> None:
    accepts(None, 0)
    with pytest.raises(StoppedError, match="buildlog"):
        asked(keys, "alice")
    settings.LOG_KEY = ""
    assert current() is None


def test_statement_without_an_entry_stops_the_answer_about_it_alone(keys: LogKeys) -> None:
    accepts(keys, 1)
    accepts(None, 0)
    with pytest.raises(StoppedError, match="buildlog"):
        asked(keys, "alice")
    verified(keys, "bob", asked(keys, "bob"))
