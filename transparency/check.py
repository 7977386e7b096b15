"""Check the log in the database against itself, the guard and the statements: everything is computed anew."""

import hashlib
from collections.abc import Iterator, Sequence

from pkd.models import Identity, Statement
from pkd.statement_rules import Kind
from transparency import merkle, prefix_tree
from transparency.entry import NOTHING, BadEntryError, Update
from transparency.entry import Entry as LoggedEntry
from transparency.guard import Tree
from transparency.keys import LogKeys
from transparency.merkle import Node
from transparency.models import Entry, Log


class Replay:
    """The log as its entries say, replayed in memory."""

    def __init__(self) -> None:
        self.size = 0
        self.pieces: dict[str, bytes] = {}
        self.latest: dict[bytes, Update] = {}
        self.statements: dict[tuple[bytes, int], bytes] = {}
        self._nodes: dict[Node, bytes] = {}
        self._at_ms = 0

    def add(self, row: Entry) -> Iterator[str]:
        """Add the next entry; say what is wrong with it."""
        try:
            update, prefix_root = LoggedEntry.decode(bytes(row.data))
        except BadEntryError as error:
            yield str(error)
            return
        before = self.latest.get(update.index)
        rules = {
            "its number is not the next one": row.number != self.size,
            "the columns beside it say something else": (bytes(row.index), row.seq) != (update.index, update.seq),
            "its time is before that of the entry before": update.at_ms < self._at_ms,
            "its seq does not follow": update.seq != (0 if before is None else before.seq + 1),
            "its update before is another": update.before != (NOTHING if before is None else before.digest),
            "its kind is none that may stand here": update.kind != Kind.BY_OWNER
            and (update.kind != Kind.AFTER_RELEASE or before is None),
        }
        yield from (sentence for sentence, is_broken in rules.items() if is_broken)
        updated = prefix_tree.update(update.index, update.digest, self._read_pieces)
        self.pieces |= updated.pieces
        if updated.root != prefix_root:
            yield "its root of the prefix tree is another"
        hashes = merkle.completed_by(self.size, merkle.leaf_hash(bytes(row.data)), self._read_nodes)
        for level, found in enumerate(hashes):
            self._nodes[Node(level, self.size >> level)] = found
        if b"".join(hashes) != bytes(row.hashes):
            yield "the hashes beside it are others"
        self.latest[update.index] = update
        self.statements[update.index, update.seq] = update.statement
        self._at_ms = update.at_ms
        self.size += 1

    def root(self, size: int) -> bytes:
        """Return the root of the tree of the first entries."""
        return merkle.root(size, self._read_nodes)

    def _read_pieces(self, names: Sequence[str]) -> dict[str, bytes]:
        return {name: self.pieces[name] for name in names if name in self.pieces}

    def _read_nodes(self, nodes: Sequence[Node]) -> list[bytes]:
        return [self._nodes[node] for node in nodes]


def check(keys: LogKeys, kept: Tree | None) -> Iterator[str]:
    """Say everything that is wrong with the log, a sentence each; nothing for a log that is as it should be."""
    log = Log.objects.filter(vkey=keys.vkey).first()
    replay = Replay()
    if log is not None:
        for row in log.entries.order_by("number").iterator():
            yield from (f"Entry {row.number}: {sentence}." for sentence in replay.add(row))
        yield from _check_pieces(log, replay)
    yield from _check_statements(keys, replay)
    if kept is not None and kept.size > replay.size:
        yield f"There are {replay.size} entries, of which {kept.size} were signed: the database is an older copy."
    elif kept is not None and kept.root != replay.root(kept.size):
        yield f"The first {kept.size} entries are not those that were signed."


def _check_pieces(log: Log, replay: Replay) -> Iterator[str]:
    there = {name: bytes(content) for name, content in log.pieces.values_list("name", "content").iterator()}
    for name in sorted(there.keys() | replay.pieces.keys()):
        if there.get(name) != replay.pieces.get(name):
            yield f"The piece {name!r} of the prefix tree is not what the entries make of it."


def _check_statements(keys: LogKeys, replay: Replay) -> Iterator[str]:
    """Compare each statement with its entry; what has an entry and no statement belongs to an erased ID."""
    left = dict(replay.statements)
    for identity in Identity.objects.select_related("key").order_by("pk").iterator():
        index = keys.index_of(identity.key.client_id)
        seqs = range(replay.latest[index].seq + 1) if index in replay.latest else range(0)
        if identity.erased_at is not None:
            for seq in seqs:
                left.pop((index, seq), None)
            continue
        for statement in Statement.objects.filter(identity=identity).iterator():
            logged = left.pop((index, statement.seq), None)
            if logged != hashlib.sha256(statement.text.encode()).digest():
                yield f"Row {statement.pk} of the statements has {'no' if logged is None else 'another'} entry."
    for index, seq in left:
        yield f"The entry of {index.hex()}, seq {seq}, belongs to no statement."
