"""Append to the log, in the transaction that accepts a statement (TRUST.md, "The log").

How it works
------------
`Appender` is given to `pkd.acceptance.accept`, which calls it in place of saving the statement. It locks the log's row
until the commit, so that entries are dense and have the order of the statements' primary keys; a lock of a row also
works through a pooler in transaction mode. Whatever does not fit raises `StoppedError`, and nothing is written.
"""

import hashlib

from pkd.models import Identity, Statement
from transparency import merkle, prefix_tree
from transparency.entry import NOTHING, Update
from transparency.entry import Entry as LoggedEntry
from transparency.guard import Tree
from transparency.keys import LogKeys
from transparency.models import Entry, Log
from transparency.prefix_tree import EMPTY
from transparency.stored import (
    UNBUILT,
    Head,
    Nodes,
    Pieces,
    PieceStore,
    StoppedError,
    add,
    check_contains,
    end_of,
    last_update,
    lock_row,
)


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
        index = self._keys.index_of(statement.identity.key.client_id)
        # Before the first statement there is none, as the prefix tree says.
        before = last_update(at_end.log_id, index) if statement.seq else None
        add(Growing(at_end, nodes, Pieces(at_end.log_id)).append(statement, index, before))


def lock(vkey: str, newcomer: Identity | None = None) -> Head:
    """Wait until nobody else appends, and keep others waiting until the commit; return the end of the log.

    A log without entries begins here, unless there are statements of others than of `newcomer`.
    """
    log_id = lock_row(vkey)
    if log_id is None:
        has_others = newcomer is not None and Identity.objects.exclude(pk=newcomer.pk).exists()
        # Again: whoever finds others finds their log, too.
        log_id = lock_row(vkey)
        if log_id is None and has_others:
            raise StoppedError(UNBUILT)
    if log_id is None:
        log_id = Log.objects.get_or_create(vkey=vkey)[0].pk
        lock_row(vkey)
    return end_of(log_id)


class Growing:
    """A locked log: its end, and what is read and written to append to it."""

    def __init__(self, at_end: Head, nodes: Nodes, pieces: PieceStore) -> None:
        self.head = at_end
        self._nodes = nodes
        self._pieces = pieces

    def append(self, statement: Statement, index: bytes, before: Update | None) -> Entry:
        """Make the next entry, whose row is left to save; write the prefix tree.

        Raises `StoppedError` for a statement that does not follow `before`, the last update of its index.
        """
        log_id, size, last = self.head
        if statement.seq != (0 if before is None else before.seq + 1):
            raise StoppedError("The log lacks earlier statements of a client ID: run manage.py buildlog.")
        # Clocks differ and step back; the time in the log does not.
        update = Update(
            kind=statement.kind,
            seq=statement.seq,
            at_ms=max(0 if last is None else last.update.at_ms, round(statement.at.timestamp() * 1000)),
            index=index,
            before=NOTHING if before is None else before.digest,
            statement=hashlib.sha256(statement.text.encode()).digest(),
        )
        updated = prefix_tree.update(index, update.digest, self._pieces)
        if updated.root_before != (EMPTY if last is None else last.prefix_root):
            raise StoppedError("The prefix tree is not the one of the last entry: somebody changed the database.")
        if updated.value_before != (None if before is None else before.digest):
            raise StoppedError(
                "The log has other statements of a client ID than the directory: run manage.py checklog."
            )
        self._pieces.write(updated.pieces)
        entry = LoggedEntry(update, updated.root)
        data = entry.encoded
        hashes = b"".join(merkle.completed_by(size, merkle.leaf_hash(data), self._nodes))
        self._nodes.note(size, hashes)
        self.head = Head(log_id, size + 1, entry)
        return Entry(log_id=log_id, number=size, index=index, seq=update.seq, data=data, hashes=hashes)
