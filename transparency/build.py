"""Build a log from the statements that were accepted without it, in the order of their rows."""

from collections.abc import Mapping, Sequence

from django.db import transaction

from pkd.models import Statement
from transparency.entry import Entry as LoggedEntry
from transparency.entry import Update
from transparency.keys import LogKeys
from transparency.log import Growing, lock
from transparency.models import Entry
from transparency.stored import Head, Nodes, Pieces

PAGE = 500


class BufferedPieces:
    """A `PieceStore` that writes what it holds at once."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._read: dict[str, bytes] = {}
        self._absent: set[str] = set()
        self._written: dict[str, bytes] = {}

    def __call__(self, names: Sequence[str]) -> Mapping[str, bytes]:
        """See `PieceStore`."""
        unknown = [name for name in names if name not in self._read and name not in self._absent]
        if unknown:
            self._read |= self._pieces(unknown)
            self._absent |= set(unknown) - self._read.keys()
        return {name: self._read[name] for name in names if name in self._read}

    def write(self, pieces: dict[str, bytes]) -> None:
        """See `PieceStore.write`."""
        self._read |= pieces
        self._absent -= pieces.keys()
        self._written |= pieces

    def flush(self) -> None:
        """Write what was not yet, and forget everything."""
        self._pieces.write(self._written)
        self._read, self._absent, self._written = {}, set(), {}


def build(keys: LogKeys) -> tuple[int, int]:
    """Append the statements that the log lacks; return how many, and the size of the log.

    Nobody else appends meanwhile. Raises `StoppedError` where one is lacking between others of its client ID.
    """
    with transaction.atomic(durable=True):
        begin = at_end = lock(keys.vkey)
        last = 0
        while page := list(Statement.objects.filter(pk__gt=last).select_related("identity__key").order_by("pk")[:PAGE]):
            last = page[-1].pk
            at_end = _append(keys, at_end, page)
        return at_end.size - begin.size, at_end.size


def _append(keys: LogKeys, at_end: Head, page: list[Statement]) -> Head:
    identities = {statement.identity_id: statement.identity for statement in page}
    indexes = {pk: keys.index_of(identity.key.client_id) for pk, identity in identities.items()}
    rows = Entry.objects.filter(log_id=at_end.log_id, index__in=indexes.values()).order_by("seq")
    latest: dict[bytes, Update] = {}
    for data in rows.values_list("data", flat=True):
        update = LoggedEntry.decode(bytes(data)).update
        latest[update.index] = update
    pieces = BufferedPieces(Pieces(at_end.log_id))
    log, made = Growing(at_end, Nodes(at_end.log_id), pieces), []
    for statement in page:
        index = indexes[statement.identity_id]
        before = latest.get(index)
        if before is None or before.seq < statement.seq:
            made.append(log.append(statement, index, before))
            latest[index] = LoggedEntry.decode(bytes(made[-1].data)).update
    Entry.objects.bulk_create(made)
    pieces.flush()
    return log.head
