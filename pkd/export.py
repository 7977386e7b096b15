"""The directory with its history as a file, CSV or JSON, written while it is read: memory holds one page of keys."""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import msgspec
from asgiref.sync import sync_to_async
from django.db import connection, transaction
from django.db.models import QuerySet

from pkd.lines import COLUMNS, ChangeLine, KeyLine, cells, to_csv
from pkd.models import KeyChange, PublicKey

KEYS_A_PAGE = 200


def as_csv(keys: QuerySet[PublicKey]) -> Iterator[bytes]:
    """Write a line of column names and one line a key."""
    yield to_csv([COLUMNS])
    for page in _pages(keys):
        yield to_csv(map(cells, page))


def as_json(keys: QuerySet[PublicKey]) -> Iterator[bytes]:
    """Write an array with one line a key, so that it can be read line by line as well."""
    before = b"[\n"
    for page in _pages(keys):
        yield before + b",\n".join(map(msgspec.json.encode, page))
        before = b",\n"
    yield b"[\n]\n" if before == b"[\n" else b"\n]\n"


FORMS: dict[str, tuple[str, Callable[[QuerySet[PublicKey]], Iterator[bytes]]]] = {
    "csv": ("text/csv; charset=utf-8", as_csv),
    "json": ("application/json", as_json),
}


async def streamed(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Take each chunk in the request's thread; Django would collect a plain iterator in memory first."""
    take: Callable[..., Awaitable[bytes | None]] = sync_to_async(next)
    while (chunk := await take(chunks, None)) is not None:
        yield chunk


def _pages(keys: QuerySet[PublicKey]) -> Iterator[list[KeyLine]]:
    """Read page by page, by primary key: no cursor and no transaction waits for a slow download."""
    last = 0
    while page := _page_after(keys, last):
        last, lines = page[-1][0], [line for _, line in page]
        yield lines


def _page_after(keys: QuerySet[PublicKey], last: int) -> list[tuple[int, KeyLine]]:
    with transaction.atomic():
        # A key and its history as of one moment. SQLite's transactions are like that already.
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        page = list(keys.order_by("pk").filter(pk__gt=last)[:KEYS_A_PAGE])
        history: defaultdict[int, list[ChangeLine]] = defaultdict(list)
        for change in KeyChange.objects.filter(key__in=[key.pk for key in page]).order_by("pk"):
            history[change.key_id].append(_change_line(change))
    return [(key.pk, _key_line(key, history[key.pk])) for key in page]


def _key_line(key: PublicKey, history: list[ChangeLine]) -> KeyLine:
    return KeyLine(
        client_id=key.client_id,
        public_key=key.public_key or None,
        fingerprint=key.fingerprint or None,
        first_seen=key.first_seen,
        last_change=key.last_change,
        changes=key.changes,
        revoked_at=key.revoked_at,
        frozen_at=key.frozen_at,
        history=history,
    )


def _change_line(change: KeyChange) -> ChangeLine:
    return ChangeLine(
        at=change.at,
        kind=KeyChange.Kind(change.kind),
        who=change.who,
        old_fingerprint=change.old_fingerprint or None,
        new_fingerprint=change.new_fingerprint or None,
        reason=change.reason,
    )
