"""Write the directory with its history as a file while it is read: memory holds one page of keys."""

import csv
import io
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
from asgiref.sync import sync_to_async
from django.db import connection, transaction
from django.db.models import QuerySet

from pkd import identities
from pkd.files.records import FIELDS, ChangeRecord, KeyRecord, to_json_line
from pkd.models import KeyChange, PublicKey

KEYS_A_PAGE = 200

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
        yield b"".join(map(to_json_line, page))


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
    """Write a record as the cells of its columns; the history is one cell of JSON."""
    plain: dict[str, Any] = msgspec.to_builtins(record)
    history = msgspec.json.encode(plain.pop("history")).decode()
    return ["" if value is None else str(value) for value in plain.values()] + [history]


def _pages(keys: QuerySet[PublicKey]) -> Iterator[list[KeyRecord]]:
    """Read page by page, by primary key: no cursor and no transaction waits for a slow download."""
    last = 0
    while page := _page_after(keys, last):
        last, records = page[-1][0], [record for _, record in page]
        yield records


def _page_after(keys: QuerySet[PublicKey], last: int) -> list[tuple[int, KeyRecord]]:
    with transaction.atomic():
        # A key and its history as of one moment. SQLite's transactions are like that already.
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        page = list(keys.order_by("pk").filter(pk__gt=last)[:KEYS_A_PAGE])
        identities.describe(page)
        history: defaultdict[int, list[ChangeRecord]] = defaultdict(list)
        for change in KeyChange.objects.filter(key__in=[key.pk for key in page]).order_by("pk"):
            history[change.key_id].append(ChangeRecord.from_row(change))
    return [(key.pk, KeyRecord.from_row(key, history[key.pk])) for key in page]
