"""Parse a JSON Lines file, an export or one made by hand, and say of each bad line which rule it breaks.

A line ends at LF alone, or at CRLF, as CR is white space in JSON. `str.splitlines` would end it at form feeds, U+0085
and U+2028 as well, which may stand in a key, and `str.strip` would take them off its ends.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import IO, NamedTuple

import msgspec
from django.conf import settings

from pkd import directory, keys
from pkd.files.records import FIELDS, KeyRecord, Outcome

# No client's history is as long; a file without line ends must not fill the memory.
MAX_LINE_BYTES = 64 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_JSON_WHITE_SPACE = " \t\r\n"  # RFC 8259, section 2

# Clocks differ a little, and no key is older than the protocol.
CLOCK_SKEW = timedelta(hours=1)
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)

_TIME = "must be a time with its zone, such as 2026-01-31T15:04:05Z"
FIELD_RULES = {
    "clientId": "must be 1 to 64 letters, digits, hyphens or underscores",
    "publicKey": "must be a text",
    "fingerprint": "must be the SHA-256 of the key in 64 lower-case hex digits",
    "firstSeen": _TIME,
    "lastChange": _TIME,
    "revokedAt": _TIME,
    "frozenAt": _TIME,
    "changes": "must be a whole number from 0",
    "status": "must be signed, unsigned, revoked, released or erased",
    "ownedSince": _TIME,
    "recoveryCode": "must be true or false",
    "statements": "must be a whole number from 0",
    "history": "must be a list of changes as an export writes them",
}
NO_OBJECT = "This must be one JSON object with a client's fields, on a line of its own."
NO_UTF_8 = "This is no UTF-8 text; save the file as UTF-8."
TOO_LONG = f"No line may be as long as {MAX_LINE_BYTES:,} bytes."
JSON_ARRAY = (
    "This is a JSON array, and an import reads JSON Lines alone: one object a line, without brackets around them or "
    "commas between them. Export the keys as JSON Lines, or convert the file: jq -c '.[]' FILE."
)
NO_JSON_LINES = (
    "This is no JSON object, and an import reads JSON Lines alone: one object a line. CSV is an export for "
    "spreadsheets; export the keys as JSON Lines."
)


class BadLineError(Exception):
    """A line that cannot be imported; the text is the sentence that says why."""


class Line(NamedTuple):
    """A line of the file: its number, from 1, and its record; or the sentence that names the rule it breaks."""

    number: int
    record: KeyRecord | None
    problem: str = ""


def parse(file: IO[bytes]) -> Iterator[Line]:
    """Parse each line that is not blank, from the file's beginning; a file in another format has one bad line."""
    file.seek(0)
    is_first = True
    for number, raw in _numbered(file):
        if len(raw) > MAX_LINE_BYTES:
            yield Line(number, None, TOO_LONG)
            is_first = False
        elif text := _bare(number, raw):
            if is_first and (problem := _other_format(text)):
                yield Line(number, None, problem)
                return
            yield _parsed(number, text)
            is_first = False


def _numbered(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield each line, and its number; the beginning alone of one that is too long."""
    for number in count(1):
        raw = file.readline(MAX_LINE_BYTES + 1)
        if not raw:
            return
        yield number, raw
        is_cut = len(raw) > MAX_LINE_BYTES
        while is_cut and raw and not raw.endswith(b"\n"):
            raw = file.readline(_CHUNK_BYTES)


def _bare(number: int, raw: bytes) -> str:
    """Decode a line and take off the white space around it, and the byte order mark that a file may begin with."""
    raw = raw.removeprefix(_BYTE_ORDER_MARK) if number == 1 else raw
    # What is no UTF-8 becomes what cannot be encoded, and is found where the line is parsed.
    return raw.decode(errors="surrogateescape").strip(_JSON_WHITE_SPACE)


def _other_format(text: str) -> str:
    """Name the rule that the first line breaks if it begins a JSON array or no JSON at all; "" otherwise."""
    if text.startswith("["):
        return JSON_ARRAY
    return "" if text.startswith("{") else NO_JSON_LINES


def _parsed(number: int, text: str) -> Line:
    try:
        record = msgspec.json.decode(text.encode(), type=KeyRecord)
        _check(record)
    except BadLineError as error:
        problem = str(error)
    except msgspec.ValidationError as error:
        problem = _sentence(str(error))
    except (msgspec.DecodeError, RecursionError):
        problem = NO_OBJECT
    except UnicodeError:
        problem = NO_UTF_8
    else:
        return Line(number, record)
    return Line(number, None, problem)


def _sentence(error: str) -> str:
    """Name the rule of the field that the decoder names."""
    if "unknown field" in error and "history" not in error:
        return f"There are only the fields {', '.join(FIELDS)}; leave others out."
    for name, rule in FIELD_RULES.items():
        if re.search(rf"`\$\.{name}\b|field `{name}`", error):
            return f"{name} {rule}."
    return NO_OBJECT


def _check(record: KeyRecord) -> None:
    """Check that the fields agree with each other, and fill in the fingerprint."""
    if record.public_key is not None:
        _check_key(record.client_id, record.public_key)
    given, record.fingerprint = record.fingerprint, record.public_key and directory.fingerprint(record.public_key)
    if record.public_key is None and not (record.frozen_at or record.history):
        raise BadLineError("publicKey is missing; only a frozen client ID may be without one.")
    if given not in {None, record.fingerprint}:
        raise BadLineError("fingerprint is not that of publicKey; correct one of them, or leave fingerprint out.")
    if record.public_key is None and record.revoked_at:
        raise BadLineError("revokedAt needs a publicKey; without one there is nothing to revoke.")
    _check_times(record)
    outcome = Outcome.of(record.history)
    state = (record.fingerprint or "", record.revoked_at is not None, record.frozen_at is not None)
    if record.history and state != (outcome.fingerprint, outcome.fingerprint in outcome.revoked, outcome.is_frozen):
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


def _check_times(record: KeyRecord) -> None:
    times = [record.first_seen, record.last_change, record.revoked_at, record.frozen_at]
    times += [change.at for change in record.history]
    latest = datetime.now(UTC) + CLOCK_SKEW
    if not all(EARLIEST <= time <= latest for time in times if time is not None):
        raise BadLineError("Every time must be after 1999 and not in the future.")
    if record.first_seen and record.last_change and record.first_seen > record.last_change:
        raise BadLineError("lastChange must not be before firstSeen.")
