"""One client of the directory as a line of a file: the shape that an export writes and an import checks."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from pkd import keys
from pkd.keys import PublicKey
from pkd.models import MAX_REASON_CHARACTERS, KeyChange

Moment = Annotated[datetime, Meta(tz=True)]
Fingerprint = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
# Postgres takes no NUL in a text.
Who = Annotated[str, Meta(min_length=1, max_length=150, pattern=r"^[^\x00]*\Z")]
Reason = Annotated[str, Meta(max_length=MAX_REASON_CHARACTERS, pattern=r"^[^\x00]*\Z")]
Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class ChangeLine(Struct, rename="camel", forbid_unknown_fields=True):
    """A change in a client's history."""

    at: Moment
    kind: KeyChange.Kind
    who: Who
    old_fingerprint: Fingerprint | None = None
    new_fingerprint: Fingerprint | None = None
    reason: Reason = ""


class KeyLine(Struct, rename="camel", forbid_unknown_fields=True):
    """A client: its key, None where the ID is only reserved, and the history, oldest change first.

    Nothing but the client ID and the key is needed of a client that is new here.
    """

    client_id: keys.ClientId
    public_key: PublicKey | None = None
    fingerprint: Fingerprint | None = None
    first_seen: Moment | None = None
    last_change: Moment | None = None
    changes: Count | None = None
    revoked_at: Moment | None = None
    frozen_at: Moment | None = None
    history: list[ChangeLine] = []


COLUMNS = KeyLine.__struct_encode_fields__

# A spreadsheet takes a cell that begins with one of these for a formula (OWASP, "CSV Injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001  # the wide forms count too
_GUARD = "'"
_GUARDED = (*_FORMULA, _GUARD)


def guarded(cell: str) -> str:
    """Put an apostrophe before what a spreadsheet would calculate; `unguarded` takes it away again."""
    return f"{_GUARD}{cell}" if cell.startswith(_GUARDED) else cell


def unguarded(cell: str) -> str:
    """Give back what `guarded` was given; a lone apostrophe before anything else stays."""
    return cell[1:] if cell.startswith(_GUARD) and cell[1:].startswith(_GUARDED) else cell


def to_csv(lines: Iterable[Sequence[str]]) -> bytes:
    """Write rows of cells, each guarded, one line a row (RFC 4180)."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([guarded(cell) for cell in line] for line in lines)
    return text.getvalue().encode()


def cells(line: KeyLine) -> list[str]:
    """Write a line as the cells of its columns; the history is one cell of JSON."""
    plain: dict[str, Any] = msgspec.to_builtins(line)
    history = msgspec.json.encode(plain.pop("history")).decode()
    return ["" if value is None else str(value) for value in plain.values()] + [history]


def from_cells(columns: Sequence[str], row: Sequence[str]) -> Any:
    """Give the fields of a CSV row as JSON would have them; an empty cell is no value.

    Raises `msgspec.DecodeError` where a history is no JSON.
    """
    fields: dict[str, Any] = {column: unguarded(cell) for column, cell in zip(columns, row, strict=True) if cell != ""}
    if "history" in fields:
        fields["history"] = msgspec.json.decode(fields["history"])
    if fields.get("changes", "").isdecimal():
        fields["changes"] = int(fields["changes"])
    return fields
