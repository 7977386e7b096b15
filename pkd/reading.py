"""Read an exported file, or one made by hand, line by line, and say of each bad line what is wrong with it."""

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import IO, Any, NamedTuple, TypeVar

import msgspec
from django.conf import settings

from pkd import directory, keys
from pkd.lines import COLUMNS, ChangeLine, KeyLine, from_cells
from pkd.models import KeyChange

# No client's history is as long; a file without line ends must not fill the memory.
MAX_LINE_BYTES = 64 * 1024 * 1024
csv.field_size_limit(MAX_LINE_BYTES)

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
T = TypeVar("T")

# Clocks differ a little, and nobody published a key before the protocol existed.
CLOCK_SKEW = timedelta(hours=1)
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)

_TIME = "must be a time with its zone, such as 2026-01-31T15:04:05Z"
WHAT_A_FIELD_MUST_BE = {
    "clientId": "must be 1 to 64 letters, digits, hyphens or underscores",
    "publicKey": "must be a text",
    "fingerprint": "must be the SHA-256 of the key in 64 lower-case hex digits",
    "firstSeen": _TIME,
    "lastChange": _TIME,
    "revokedAt": _TIME,
    "frozenAt": _TIME,
    "changes": "must be a whole number from 0",
    "history": "must be a list of changes as an export writes them",
}
NO_COLUMNS = "The first line must name the columns; clientId and publicKey must be among them, and only an export's."
NO_OBJECT = "This must be one JSON object with a client's fields, on a line of its own."


class BadLineError(Exception):
    """A line that cannot be taken; the text is the sentence that says why."""


class BadFileError(Exception):
    """A line after which nothing more can be read: its number, and the sentence that says why."""


class Read(NamedTuple):
    """A line that was read, and its number; or what is wrong with it."""

    number: int
    line: KeyLine | None
    problem: str = ""


@dataclass
class Outcome:
    """What a history leads to."""

    fingerprint: str = ""
    is_frozen: bool = False
    revoked: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, history: list[ChangeLine]) -> "Outcome":
        """Go through the changes, oldest first."""
        outcome = cls()
        for change in history:
            outcome.follow(change)
        return outcome

    def follow(self, change: ChangeLine) -> None:
        """Do again what the change did."""
        kinds = KeyChange.Kind
        if change.kind in {kinds.PUBLISHED, kinds.CHANGED, kinds.IMPORTED}:
            self.fingerprint = change.new_fingerprint or ""
        elif change.kind == kinds.REVOKED:
            self.revoked.add(change.old_fingerprint or "")
        elif change.kind == kinds.LIFTED:
            self.revoked.discard(change.new_fingerprint or "")
        else:
            self.is_frozen = change.kind == kinds.FROZEN


def read(file: IO[bytes]) -> Iterator[Read]:
    """Read a file from its beginning, CSV or JSON; every line is either right in itself or has a problem."""
    file.seek(0)
    start = file.read(256).removeprefix(_BYTE_ORDER_MARK).lstrip()[:1]
    file.seek(0)
    try:
        yield from _read_json(file) if start in {b"[", b"{"} else _read_csv(file)
    except BadFileError as error:
        number, problem = error.args
        yield Read(number, None, problem)


def _numbered(file: IO[bytes]) -> Iterator[tuple[int, str]]:
    for number in count(1):
        raw = file.readline(MAX_LINE_BYTES)
        if not raw:
            return
        if len(raw) == MAX_LINE_BYTES:
            raise BadFileError(number, f"No line may be as long as {MAX_LINE_BYTES:,} bytes.")
        if number == 1:
            raw = raw.removeprefix(_BYTE_ORDER_MARK)
        # What is no UTF-8 becomes what cannot be encoded, and is found where the line is checked.
        yield number, raw.decode(errors="surrogateescape")


def _read_json(file: IO[bytes]) -> Iterator[Read]:
    number, is_open = 0, False
    for number, text in _numbered(file):
        bare = text.strip()
        if bare == "[" and not is_open:
            is_open = True
        elif bare == "]" and is_open:
            return
        elif bare:
            yield _checked(number, _from_json, bare.removesuffix(","))
    if is_open:
        raise BadFileError(number, "The file ends too early: the last line of an array must be a bracket.")


def _from_json(text: str) -> Any:
    fields = msgspec.json.decode(text.encode())
    if not isinstance(fields, dict):
        raise BadLineError(NO_OBJECT)
    return fields


def _read_csv(file: IO[bytes]) -> Iterator[Read]:
    texts = (text for _, text in _numbered(file))
    first = next(texts, "")
    # A semicolon is what spreadsheets write where a comma is a decimal point.
    delimiter = ";" if ";" in first else ","
    columns = next(csv.reader([first], delimiter=delimiter), [])
    if not {"clientId", "publicKey"} <= set(columns) <= set(COLUMNS) or len(set(columns)) < len(columns):
        raise BadFileError(1, NO_COLUMNS)
    rows = csv.reader(texts, delimiter=delimiter, strict=True)
    start = 2
    try:
        for row in rows:
            if row:
                yield _checked(start, partial(_from_row, columns), row)
            # A key may go over many lines.
            start = rows.line_num + 2
    except csv.Error:
        raise BadFileError(start, "A quotation mark is missing, here or before.") from None


def _from_row(columns: list[str], row: list[str]) -> Any:
    if len(row) != len(columns):
        raise BadLineError(f"There must be {len(columns)} cells, as in the first line, and there are {len(row)}.")
    "".join(row).encode()
    return from_cells(columns, row)


def _checked(number: int, fields_of: Callable[[T], Any], source: T) -> Read:
    try:
        line = msgspec.convert(fields_of(source), KeyLine)
        _check(line)
    except BadLineError as error:
        problem = str(error)
    except msgspec.ValidationError as error:
        problem = _sentence(str(error))
    except (msgspec.DecodeError, RecursionError):
        problem = NO_OBJECT
    except UnicodeError:
        problem = "This is no UTF-8 text; save the file as UTF-8."
    else:
        return Read(number, line)
    return Read(number, None, problem)


def _sentence(error: str) -> str:
    """Say what the field that the decoder names must be."""
    if "unknown field" in error and "history" not in error:
        return f"There are only the fields {', '.join(COLUMNS)}; leave others out."
    for name, demand in WHAT_A_FIELD_MUST_BE.items():
        if re.search(rf"`\$\.{name}\b|field `{name}`", error):
            return f"{name} {demand}."
    return NO_OBJECT


def _check(line: KeyLine) -> None:
    """Check that the fields agree with each other, and fill in the fingerprint."""
    if line.public_key is not None:
        _check_key(line.client_id, line.public_key)
    given, line.fingerprint = line.fingerprint, line.public_key and directory.fingerprint(line.public_key)
    if line.public_key is None and not (line.frozen_at or line.history):
        raise BadLineError("publicKey is missing; only a frozen client ID may be without one.")
    if given not in {None, line.fingerprint}:
        raise BadLineError("fingerprint is not that of publicKey; correct one of them, or leave fingerprint out.")
    if line.public_key is None and line.revoked_at:
        raise BadLineError("revokedAt needs a publicKey; without one there is nothing to revoke.")
    _check_times(line)
    outcome = Outcome.of(line.history)
    state = (line.fingerprint or "", line.revoked_at is not None, line.frozen_at is not None)
    if line.history and state != (outcome.fingerprint, outcome.fingerprint in outcome.revoked, outcome.is_frozen):
        raise BadLineError("history does not lead to this key and its state; correct it, or leave it out.")


def _check_key(client_id: str, public_key: str) -> None:
    if problem := keys.problem(public_key, settings.LIMITS.public_key_bytes):
        raise BadLineError(problem)
    # A client's own key fits, as the message that brought it was longer.
    if not keys.fits_an_answer(client_id, public_key):
        raise BadLineError(
            f"publicKey does not fit a message of {keys.MAX_FRAME_BYTES:,} bytes, in which each control character "
            "takes six; leave the line out."
        )


def _check_times(line: KeyLine) -> None:
    times = [line.first_seen, line.last_change, line.revoked_at, line.frozen_at, *(row.at for row in line.history)]
    latest = datetime.now(UTC) + CLOCK_SKEW
    if not all(EARLIEST <= time <= latest for time in times if time is not None):
        raise BadLineError("Every time must be after 1999 and not in the future.")
    if line.first_seen and line.last_change and line.first_seen > line.last_change:
        raise BadLineError("lastChange must not be before firstSeen.")
