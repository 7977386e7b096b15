"""The log as the database has it: its last entry, the nodes of its Merkle tree, and the pieces of its prefix tree."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from pkd.models import Identity
from transparency import merkle
from transparency.entry import Entry as LoggedEntry
from transparency.entry import Update
from transparency.guard import Tree
from transparency.merkle import HASH_BYTES, Node
from transparency.models import Entry, Log, Piece

UNBUILT = "The log lacks statements that were accepted without it: run manage.py buildlog."


class StoppedError(Exception):
    """Nothing may be appended or signed; the text says why, for the operator."""


class Head(NamedTuple):
    """The end of a log: its row, its size, and its last entry; None of an empty one."""

    log_id: int
    size: int
    last: LoggedEntry | None


def head(vkey: str) -> Head:
    """Return the end of a log; raises `StoppedError` where it was not built from the statements that there are."""
    row = Entry.objects.filter(log__vkey=vkey).order_by("-number").values_list("log_id", "number", "data").first()
    if row is not None:
        return Head(row[0], row[1] + 1, LoggedEntry.decode(bytes(row[2])))
    log = Log.objects.filter(vkey=vkey).first()
    if log is None and Identity.objects.exists():
        raise StoppedError(UNBUILT)
    return Head(0 if log is None else log.pk, 0, None)


class Nodes:
    """Reads the complete nodes of a log's Merkle tree, each once."""

    def __init__(self, log_id: int) -> None:
        self._log_id = log_id
        self._known: dict[Node, bytes] = {}

    def __call__(self, nodes: Sequence[Node]) -> list[bytes]:
        """Return their hashes, in their order."""
        numbers = {node.last_leaf for node in nodes if node not in self._known}
        if numbers:
            rows = Entry.objects.filter(log_id=self._log_id, number__in=numbers).order_by()
            for number, hashes in rows.values_list("number", "hashes"):
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
        rows = Piece.objects.filter(log_id=self._log_id, name__in=names).values_list("name", "content")
        return {name: bytes(content) for name, content in rows}

    def write(self, pieces: dict[str, bytes]) -> None:
        """See `PieceStore.write`."""
        rows = [Piece(log_id=self._log_id, name=name, content=content) for name, content in pieces.items()]
        Piece.objects.bulk_create(rows, update_conflicts=True, unique_fields=["log", "name"], update_fields=["content"])


def last_update(log_id: int, index: bytes) -> Update | None:
    """Return the last update of an index; None for one that nothing was appended for."""
    rows = Entry.objects.filter(log_id=log_id, index=index).order_by("-seq").values_list("data", flat=True)
    data = rows.first()
    return None if data is None else LoggedEntry.decode(bytes(data)).update


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
