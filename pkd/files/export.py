"""Write the directory with its history as a file while it is read: memory holds one page of keys."""

import csv
import io
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from asgiref.sync import sync_to_async
from django.db import connection, transaction
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

from pkd import identities, sql
from pkd.files.records import FIELDS, ChangeRecord, KeyRecord, to_json_lines
from pkd.models import KeyChange, Ownership, PublicKey, of_keys

# What a page costs beside its keys is then a tenth of it.
KEYS_A_PAGE = 1000


def _written(field: str) -> Cast:
    """Ask for a time as text: Django takes as long to make one of SQLite's as all else of a change does."""
    return Cast(field, TextField())


KEY = (
    *("client_id", "public_key", "fingerprint", _written("first_seen"), _written("last_change"), "changes"),
    *(_written("revoked_at"), _written("frozen_at")),
)
CHANGE = (_written("at"), "kind", "who", "old_fingerprint", "new_fingerprint", "reason")

# A spreadsheet takes a cell that begins with one of these for a formula (OWASP, "CSV Injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001  # the wide forms count too
_GUARD = "'"


class Format(NamedTuple):
    """A format of the file: its media type, and the function that writes it."""

    media_type: str
    write: Callable[[QuerySet[PublicKey]], Iterator[bytes]]


def as_json_lines(keys: QuerySet[PublicKey]) -> Iterator[bytes]:
    """Write a line of JSON for each key; an import reads these."""
    for page in _pages(keys):
        yield to_json_lines(page)


def as_csv(keys: QuerySet[PublicKey]) -> Iterator[bytes]:
    """Write a line of column names and a row for each key, for spreadsheets."""
    yield _csv([FIELDS])
    for page in _pages(keys):
        yield _csv(map(_cells, page))


# By the extension of the file's name. IANA has registered no media type for JSON Lines; of the two in use this one is
# named after the format and has no "x-", which RFC 6648 advises against.
FORMATS = {
    "jsonl": Format("application/jsonl", as_json_lines),
    "csv": Format("text/csv; charset=utf-8", as_csv),
}


async def stream(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield each chunk, made in the request's thread; Django would collect a plain iterator in memory first."""
    following: Callable[..., Awaitable[bytes | None]] = sync_to_async(next)
    while (chunk := await following(chunks, None)) is not None:
        yield chunk


def _csv(rows: Iterable[Sequence[str]]) -> bytes:
    """Write rows of cells, each guarded (RFC 4180)."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([_guarded(cell) for cell in row] for row in rows)
    return text.getvalue().encode()


def _guarded(cell: str) -> str:
    """Put an apostrophe before a cell that a spreadsheet would calculate, or that begins with one."""
    return f"{_GUARD}{cell}" if cell.startswith((*_FORMULA, _GUARD)) else cell


def _cells(record: KeyRecord) -> list[str]:
    """Write a record as the cells of its columns, as JSON has them; the history is one cell of JSON."""
    *columns, history = msgspec.structs.astuple(record)
    return [_cell(column) for column in columns] + [msgspec.json.encode(history).decode()]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else str(msgspec.to_builtins(value))


def _pages(keys: QuerySet[PublicKey]) -> Iterator[list[KeyRecord]]:
    """Read page by page, by primary key: no cursor and no transaction waits for a slow download."""
    last = 0
    while page := _page_after(keys, last):
        last = next(reversed(page))
        yield list(page.values())


def _page_after(keys: QuerySet[PublicKey], last: int) -> dict[int, KeyRecord]:
    """Return records by the number of the key, from columns: rows of a model take longer to make than to read."""
    with transaction.atomic():
        # A key and its history as of one moment. SQLite's transactions are like that already.
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        page = list(keys.order_by("pk").filter(pk__gt=last).values_list("pk", *KEY)[:KEYS_A_PAGE])
        revoked = {number: revoked_at is not None for number, *_, revoked_at, _ in page}
        owners, history = identities.ownerships(revoked), _history(revoked)
    return {number: _record(columns, owners.get(number), history[number]) for number, *columns in page}


def _history(numbers: Collection[int]) -> defaultdict[int, list[ChangeRecord]]:
    history: defaultdict[int, list[ChangeRecord]] = defaultdict(list)
    changes = KeyChange.objects.filter(of_keys(numbers)).order_by("key_id", "pk")
    for number, at, kind, who, old, new, reason in changes.values_list("key_id", *CHANGE):
        history[number].append(ChangeRecord(_moment(at), KeyChange.Kind(kind), who, old or None, new or None, reason))
    return history


def _record(columns: list[Any], owner: Ownership | None, history: list[ChangeRecord]) -> KeyRecord:
    client_id, public_key, fingerprint, first_seen, last_change, changes, revoked_at, frozen_at = columns
    return KeyRecord(
        client_id,
        public_key or None,
        fingerprint or None,
        _moment(first_seen),
        _moment(last_change),
        changes,
        revoked_at and _moment(revoked_at),
        frozen_at and _moment(frozen_at),
        *(owner or Ownership()),
        history,
    )


def _moment(written: str) -> datetime:
    """Read a time as the database writes it."""
    return sql.moment(datetime.fromisoformat(written))
