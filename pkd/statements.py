"""Statements: the whole state of a client ID, signed by its owner (TRUST.md, "Statements").

`parse` reads the eight lines, each by its row of `LINES`; `statement_rules` says which statement may replace which.
Pure: no Django, clock or I/O.
"""

import re
from collections.abc import Callable
from typing import Literal, NamedTuple

from pkd import keys

HEAD = "securecall-statement-v2"
NOTHING = "-"
# `seq` is an unsigned number of 32 bits.
SEQ_END = 2**32
DIRECTORY = re.compile(r"[a-z0-9.-]{1,253}")
# What a directory says of a client ID: whether it belongs to a key, and what is withheld.
Status = Literal["signed", "unsigned", "revoked", "released", "erased"]
CLIENT_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
NUMBER = re.compile(r"0|[1-9][0-9]{0,9}")


class BadStatementError(ValueError):
    """A statement breaks a rule; the text is the sentence that names it."""


class Statement(NamedTuple):
    """The fields of a statement as they are written; "-" is nothing."""

    directory: str
    client_id: str
    seq: int
    previous: str
    identity: str
    recovery: str
    key: str

    @property
    def text(self) -> str:
        """Return the eight lines."""
        return "".join(
            f"{line}\n" for line in (HEAD, *(f"{name} {value}" for name, value in zip(LINES, self, strict=True)))
        )

    @property
    def digest(self) -> str:
        """Return the SHA-256 by which the next statement names this one."""
        return keys.digest(self.text)


class Signatures(NamedTuple):
    """The signatures of a statement, in base64url: by its own identity, and by who had the ID before."""

    identity: str
    previous: str | None = None
    recovery: str | None = None


def _is_canonical(length: int) -> Callable[[str], bool]:
    def is_canonical(text: str) -> bool:
        try:
            keys.from_base64url(text, length)
        except ValueError:
            return False
        return True

    return is_canonical


def _is_recovery(text: str) -> bool:
    try:
        keys.recovery_key(text)
    except ValueError:
        return False
    return True


def _or_nothing(is_good: Callable[[str], bool]) -> Callable[[str], bool]:
    return lambda text: text == NOTHING or is_good(text)


_is_digest = _is_canonical(keys.DIGEST_BYTES)
# In the order of the lines: the name, whether a value is one, and what it has to be.
LINES: dict[str, tuple[Callable[[str], bool], str]] = {
    "directory": (lambda text: DIRECTORY.fullmatch(text) is not None, "a name of a-z, 0-9, dots and hyphens"),
    "id": (lambda text: CLIENT_ID.fullmatch(text) is not None, "a client ID"),
    "seq": (
        lambda text: NUMBER.fullmatch(text) is not None and int(text) < SEQ_END,
        "a decimal number below 2^32 without leading zeros",
    ),
    "previous": (_or_nothing(_is_digest), "the SHA-256 of the statement before in base64url, or -"),
    "identity": (keys.is_identity, "a P-256 key: 91 bytes of SubjectPublicKeyInfo in base64url"),
    "recovery": (_or_nothing(_is_recovery), "an Ed25519 key of 32 bytes in base64url, not of small order, or -"),
    "key": (_or_nothing(_is_digest), "the SHA-256 of publicKey in base64url, or -"),
}


def parse(text: str, lines: dict[str, tuple[Callable[[str], bool], str]] = LINES) -> Statement:
    """Read a statement; raises `BadStatementError` for any text but the one that `Statement.text` gives."""
    head, *rest = text.split("\n")
    # A last line end leaves nothing behind it.
    if head != HEAD or len(rest) != len(lines) + 1 or rest.pop():
        raise BadStatementError(
            f"A statement has eight lines, {HEAD} first, each ended by LF alone; send it as it was signed."
        )
    values = []
    for line, (name, (is_good, form)) in zip(rest, lines.items(), strict=True):
        written, blank, value = line.partition(" ")
        if written != name or not blank or not is_good(value):
            raise BadStatementError(f"The line {name!r} of a statement is its name, one space, and {form}.")
        values.append(value)
    directory, client_id, seq, *others = values
    return Statement(directory, client_id, int(seq), *others)


def fits(public_key: str | None, statement: Statement) -> bool:
    """Return whether `public_key` is the one that a statement names; None is nothing."""
    return statement.key == (NOTHING if public_key is None else keys.digest(public_key))


def registration(server: str, client_id: str, challenge: str) -> str:
    """Return the four lines that an identity signs to register (TRUST.md, "REGISTER")."""
    return f"securecall-register-v2\nserver {server}\nid {client_id}\nchallenge {challenge}\n"
