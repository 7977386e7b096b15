"""Append to the log, in the transaction that accepts a statement (TRUST.md, "The log").

How it works
------------
`Appender` is given to `pkd.acceptance.accept`, which calls it in place of saving the statement. It locks the log's row
until the commit, so that entries are dense and have the order of the statements' primary keys; a lock of a row also
works through a pooler in transaction mode. Whatever does not fit raises `StoppedError`, and nothing is written.
"""

import hashlib

from pkd.models import Identity, Statement
from transparency import merkle, prefix_tree, vrf
from transparency.entry import NOTHING, Update
from transparency.entry import Entry as LoggedEntry
from transparency.guard import Tree
from transparency.keys import LogKeys
from transparency.models import Entry, Log, Place
from transparency.prefix_tree import EMPTY
from transparency.stored import UNBUILT, Head, Nodes, Pieces, StoppedError, check_contains, head, last_update


class Appender:
    """Saves statements with their entries; `kept` is the tree that the guard kept before."""

    def __init__(self, keys: LogKeys, kept: Tree | None) -> None:
        self._keys = keys
        self._kept = kept

    def __call__(self, statement: Statement) -> None:
        """Save a new statement and append its entry; raises `StoppedError`."""
        at_end = lock(self._keys.vkey, statement.identity)
        nodes = Nodes(at_end.log_id)
        tree = Tree(at_end.size, merkle.root(at_end.size, nodes))
        check_contains(self._kept, tree, nodes)
        # Behind the lock: the order of the primary keys is that of the entries.
        statement.save()
        append(self._keys, at_end, statement, nodes)


def lock(vkey: str, newcomer: Identity | None = None) -> Head:
    """Wait until nobody else appends, and keep others waiting until the commit; return the end of the log.

    A log without entries begins here, unless there are statements of others than of `newcomer`.
    """
    # Looked for first: whoever finds them finds their log, too.
    has_others = newcomer is not None and Identity.objects.exclude(pk=newcomer.pk).exists()
    log = Log.objects.select_for_update().filter(vkey=vkey).first()
    if log is None:
        if has_others:
            raise StoppedError(UNBUILT)
        Log.objects.get_or_create(vkey=vkey)
        Log.objects.select_for_update().get(vkey=vkey)
    return head(vkey)


def append(keys: LogKeys, at_end: Head, statement: Statement, nodes: Nodes) -> Head:
    """Append the entry of a saved statement behind the end of a locked log; return the new end."""
    index = index_of(keys, at_end.log_id, statement.identity)
    before = last_update(at_end.log_id, index)
    if statement.seq != (0 if before is None else before.seq + 1):
        raise StoppedError("The log lacks earlier statements of a client ID: run manage.py buildlog.")
    # Clocks differ and step back; the time in the log does not.
    last_at_ms = 0 if at_end.last is None else at_end.last.update.at_ms
    update = Update(
        kind=statement.kind,
        seq=statement.seq,
        at_ms=max(last_at_ms, round(statement.at.timestamp() * 1000)),
        index=index,
        before=NOTHING if before is None else before.digest,
        statement=hashlib.sha256(statement.text.encode()).digest(),
    )
    pieces = Pieces(at_end.log_id)
    updated = prefix_tree.update(index, update.digest, pieces)
    if updated.root_before != (EMPTY if at_end.last is None else at_end.last.prefix_root):
        raise StoppedError("The prefix tree is not the one of the last entry: somebody changed the database.")
    entry = LoggedEntry(update, updated.root)
    hashes = b"".join(merkle.completed_by(at_end.size, merkle.leaf_hash(entry.encoded), nodes))
    Entry.objects.create(
        log_id=at_end.log_id, number=at_end.size, index=index, seq=update.seq, data=entry.encoded, hashes=hashes
    )
    nodes.note(at_end.size, hashes)
    pieces.write(updated.pieces)
    return Head(at_end.log_id, at_end.size + 1, entry)


def index_of(keys: LogKeys, log_id: int, identity: Identity) -> bytes:
    """Return the index of a client ID that belongs to a key; keep its proof beside the ID's first statement."""
    return vrf.index_of(proof_of(keys, log_id, identity, keeps=True))


def proof_of(keys: LogKeys, log_id: int, identity: Identity, *, keeps: bool = False) -> bytes:
    """Return the proof of a client ID's index: the one that is kept, or a new one."""
    kept = Place.objects.filter(log_id=log_id, first_statement__identity=identity)
    row = kept.values_list("proof", flat=True).first()
    if row is not None:
        return bytes(row)
    proof = keys.vrf.prove(identity.key.client_id.encode())
    first = Statement.objects.filter(identity=identity, seq=0).first() if keeps else None
    if first is not None:
        Place.objects.create(log_id=log_id, first_statement=first, proof=proof)
    return proof
