"""Answer about a client ID, with proofs, from one snapshot of the database (TRUST.md, "The log")."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from django.db import connection, transaction

from pkd import identities
from pkd.identities import Standing
from pkd.models import Statement
from transparency import merkle, notes, prefix_tree, vrf
from transparency.guard import Tree
from transparency.keys import LogKeys
from transparency.models import Entry
from transparency.stored import (
    UNBUILT,
    Head,
    Nodes,
    Pieces,
    StoppedError,
    check_contains,
    head,
    last_update,
    updates_from,
)


class Question(NamedTuple):
    """A look-up: the statement and the size of the tree that the client knows, and the time, in unix seconds."""

    client_id: str
    after: int
    size: int
    at: int


class Signed(NamedTuple):
    """A signed checkpoint, and its tree, which the guard has to keep before the checkpoint leaves."""

    checkpoint: str
    tree: Tree

    @property
    def text(self) -> str:
        """Return the lines that are signed."""
        text, _, _ = self.checkpoint.partition("\n\n")
        return f"{text}\n"


class Proof(NamedTuple):
    """The proof of an answer; it has no `consistency` for a client that knows a larger tree."""

    signed: Signed
    entry: bytes
    inclusion: list[bytes]
    consistency: list[bytes] | None
    vrf_proof: bytes
    siblings: list[bytes]
    non_inclusion_leaf: bytes | None


class Answer(NamedTuple):
    """What the directory says of a client ID, the update of each statement in it, and the proof."""

    standing: Standing
    updates: list[bytes]
    proof: Proof


def answer(keys: LogKeys, kept: Tree | None, question: Question) -> Answer:
    """Answer a look-up; raises `StoppedError` where nothing may be signed."""
    with _snapshot():
        standing = identities.standing(question.client_id, question.after)
        at_end = head(keys.vkey)
        nodes = Nodes(at_end.log_id)
        vrf_proof = keys.vrf.prove(question.client_id.encode())
        index = vrf.index_of(vrf_proof)
        updates = _updates(at_end.log_id, index, standing, question.after)
        size = at_end.size
        # All at once: from here on nothing is read of the Merkle tree but what the guard kept.
        nodes(merkle.nodes_at_end(size, question.size))
        found = prefix_tree.search(index, Pieces(at_end.log_id))
        proof = Proof(
            signed=_signed(keys, kept, at_end, nodes, question.at),
            entry=b"" if at_end.last is None else at_end.last.encoded,
            inclusion=merkle.inclusion(size - 1, size, nodes) if size else [],
            consistency=None if question.size > size else merkle.consistency(question.size, size, nodes),
            vrf_proof=vrf_proof,
            siblings=found.siblings,
            non_inclusion_leaf=None if found.leaf is None or found.leaf.startswith(index) else found.leaf,
        )
    # An ID that was erased before there was a log has no update.
    return Answer(standing._replace(statements=standing.statements[: len(updates)]), updates, proof)


def checkpoint(keys: LogKeys, kept: Tree | None, at: int) -> Signed:
    """Sign the log as it is, where `at` is before; raises `StoppedError` where nothing may be signed."""
    with _snapshot():
        at_end = head(keys.vkey)
        return _signed(keys, kept, at_end, Nodes(at_end.log_id), at)


def consistency(keys: LogKeys, before: int, size: int) -> list[bytes]:
    """Return the proof that the tree of `size` entries begins with that of `before`."""
    with _snapshot():
        return merkle.consistency(before, size, Nodes(head(keys.vkey).log_id))


def examine(keys: LogKeys, kept: Tree | None) -> int:
    """Return the size of a log that may go on, with all statements in it as far as the last one says.

    Raises `StoppedError`.
    """
    with _snapshot():
        at_end = head(keys.vkey)
        nodes = Nodes(at_end.log_id)
        check_contains(kept, Tree(at_end.size, merkle.root(at_end.size, nodes)), nodes)
        last = Statement.objects.select_related("identity__key").order_by("-pk").first()
        if last is not None and not _is_logged(keys, at_end.log_id, last):
            raise StoppedError(UNBUILT)
        return at_end.size


@contextmanager
def _snapshot() -> Iterator[None]:
    """See one state of the database for as long as the block runs."""
    with transaction.atomic(durable=True):
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield


def _signed(keys: LogKeys, kept: Tree | None, at_end: Head, nodes: Nodes, at: int) -> Signed:
    tree = Tree(at_end.size, merkle.root(at_end.size, nodes))
    check_contains(kept, tree, nodes)
    return Signed(notes.checkpoint(keys.signer, *tree, at), tree)


def _is_logged(keys: LogKeys, log_id: int, statement: Statement) -> bool:
    index = keys.index_of(statement.identity.key.client_id)
    return Entry.objects.filter(log_id=log_id, index=index, seq=statement.seq).exists()


def _updates(log_id: int, index: bytes, standing: Standing, after: int) -> list[bytes]:
    """Return the update of each statement of an answer; of an erased client ID its last one."""
    if standing.status == "erased":
        last = last_update(log_id, index)
        return [] if last is None else [last.encoded]
    # The first one is that which the client knows.
    first, count = max(after, 0), len(standing.statements)
    updates = updates_from(log_id, index, first, count) if count else []
    if len(updates) != count:
        raise StoppedError("The log lacks statements of a client ID: run manage.py buildlog.")
    return updates
