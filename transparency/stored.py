"""The log as the database has it: its last entry, the nodes of its Merkle tree, and the pieces of its prefix tree."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import NamedTuple, Protocol

from pkd import sql
from pkd.models import Identity
from transparency import merkle
from transparency.entry import UPDATE_BYTES, Update
from transparency.entry import Entry as LoggedEntry
from transparency.guard import Tree
from transparency.merkle import HASH_BYTES, Node
from transparency.models import Entry, Log

UNBUILT = "The log lacks statements that were accepted without it: run manage.py buildlog."

# Not by a join of both tables, for which Postgres would sort all entries.
END_OF_VKEY = """
SELECT log_id, number, data FROM transparency_entry
WHERE log_id = (SELECT id FROM transparency_log WHERE vkey = %s) ORDER BY number DESC LIMIT 1
"""
END = "SELECT log_id, number, data FROM transparency_entry WHERE log_id = %s ORDER BY number DESC LIMIT 1"
HASHES = "SELECT number, hashes FROM transparency_entry WHERE log_id = %s AND number IN "
LAST = 'SELECT data FROM transparency_entry WHERE log_id = %s AND "index" = %s ORDER BY seq DESC LIMIT 1'
UPDATES = """
SELECT data FROM transparency_entry WHERE log_id = %s AND "index" = %s AND seq >= %s AND seq < %s ORDER BY seq
"""
ADD = 'INSERT INTO transparency_entry (log_id, number, "index", seq, data, hashes) VALUES (%s, %s, %s, %s, %s, %s)'
CONTENTS = "SELECT name, content FROM transparency_piece WHERE log_id = %s AND name IN "
WRITE = """
INSERT INTO transparency_piece (log_id, name, content) VALUES {}
ON CONFLICT (log_id, name) DO UPDATE SET content = EXCLUDED.content
"""
# A database takes so many values at once, three each.
WRITTEN_AT_ONCE = 300
LOCK = "SELECT id FROM transparency_log WHERE vkey = %s"


class StoppedError(Exception):
    """Nothing may be appended or signed; the text says why, for the operator."""


class Head(NamedTuple):
    """The end of a log: its row, its size, and its last entry; None of an empty one."""

    log_id: int
    size: int
    last: LoggedEntry | None


def head(vkey: str) -> Head:
    """Return the end of a log; raises `StoppedError` where it was not built from the statements that there are."""
    found = _end(sql.row(END_OF_VKEY, vkey))
    if found is not None:
        return found
    log = Log.objects.filter(vkey=vkey).first()
    if log is None and Identity.objects.exists():
        raise StoppedError(UNBUILT)
    return Head(0 if log is None else log.pk, 0, None)


def end_of(log_id: int) -> Head:
    """Return the end of a log that was begun."""
    return _end(sql.row(END, log_id)) or Head(log_id, 0, None)


def _end(row: sql.Row | None) -> Head | None:
    return None if row is None else Head(row[0], row[1] + 1, LoggedEntry.decode(bytes(row[2])))


class Nodes:
    """Reads the complete nodes of a log's Merkle tree, each once."""

    def __init__(self, log_id: int) -> None:
        self._log_id = log_id
        self._known: dict[Node, bytes] = {}

    def __call__(self, nodes: Sequence[Node]) -> list[bytes]:
        """Return their hashes, in their order."""
        numbers = {node.last_leaf for node in nodes if node not in self._known}
        if numbers:
            for number, hashes in sql.rows(HASHES + sql.places(numbers), self._log_id, *numbers):
                self.note(number, bytes(hashes))
        return [self._known[node] for node in nodes]

    def note(self, number: int, hashes: bytes) -> None:
        """Note the hashes of the nodes that an entry completed."""
        for level in range(len(hashes) // HASH_BYTES):
            self._known[Node(level, number >> level)] = hashes[level * HASH_BYTES : (level + 1) * HASH_BYTES]


class PieceStore(Protocol):
    """The pieces of a log's prefix tree."""

    def __call__(self, names: Sequence[str]) -> Mapping[str, bytes]:
        """Return those that are there."""

    def write(self, pieces: dict[str, bytes]) -> None:
        """Insert pieces, or replace those of their names."""


class Pieces:
    """The `PieceStore` of the database."""

    def __init__(self, log_id: int) -> None:
        self._log_id = log_id

    def __call__(self, names: Sequence[str]) -> dict[str, bytes]:
        """See `PieceStore`."""
        found = sql.rows(CONTENTS + sql.places(names), self._log_id, *names)
        return {name: bytes(content) for name, content in found}

    def write(self, pieces: dict[str, bytes]) -> None:
        """See `PieceStore.write`."""
        rows: list[tuple[sql.Value, ...]] = [(self._log_id, name, content) for name, content in pieces.items()]
        for start in range(0, len(rows), WRITTEN_AT_ONCE):
            some = rows[start : start + WRITTEN_AT_ONCE]
            sql.write(WRITE.format(", ".join(map(sql.places, some))), *chain.from_iterable(some))


def last_update(log_id: int, index: bytes) -> Update | None:
    """Return the last update of an index; None for one that nothing was appended for."""
    row = sql.row(LAST, log_id, index)
    return None if row is None else LoggedEntry.decode(bytes(row[0])).update


def updates_from(log_id: int, index: bytes, first: int, count: int) -> list[bytes]:
    """Return so many updates of an index, from the one with the `seq` `first` on, or as many as there are."""
    return [bytes(data)[:UPDATE_BYTES] for (data,) in sql.rows(UPDATES, log_id, index, first, first + count)]


def add(entry: Entry) -> None:
    """Insert an entry."""
    index, data, hashes = map(bytes, (entry.index, entry.data, entry.hashes))
    sql.write(ADD, entry.log_id, entry.number, index, entry.seq, data, hashes)


def lock_row(vkey: str) -> int | None:
    """Lock the row of a log until the commit, and return its primary key; None where it was not begun."""
    row = sql.row(sql.locking(LOCK), vkey)
    return None if row is None else row[0]


def check_contains(kept: Tree | None, tree: Tree, read: merkle.Read) -> None:
    """Raise `StoppedError` unless a tree begins with the one that the guard kept."""
    if kept is None:
        return
    if kept.size > tree.size:
        raise StoppedError(
            f"The database has {tree.size} entries of the log, of which {kept.size} were signed: it is an older copy."
        )
    if kept.root != (tree.root if kept.size == tree.size else merkle.root(kept.size, read)):
        raise StoppedError(f"The first {kept.size} entries of the log are not those that were signed.")
