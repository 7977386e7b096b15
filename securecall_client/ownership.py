"""Client IDs that belong to a key: what an owner signs, and the code that restores an ID (docs/protocol.md).

The keys are the application's: nothing here signs, so that a private key may stay in hardware.
"""

import base64
import hashlib
import re
from typing import NamedTuple, Protocol

NOTHING = "-"
# Crockford's base32; I and L are read as 1, O as 0.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
HEAD = "securecall-statement-v2"
# The lines of a statement behind its head: each is a name, one blank and a value, and ends in LF alone.
LINES = {
    "directory": r"[a-z0-9.-]{1,253}",
    "id": r"[a-zA-Z0-9_-]{1,64}",
    "seq": r"0|[1-9][0-9]{0,9}",
    "previous": r"-|[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]",
    "identity": r"[A-Za-z0-9_-]{121}[AQgw]",
    "recovery": r"-|[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]",
    "key": r"-|[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]",
}
SEQ_END = 2**32
CODE_BYTES = 16
CODE_CHARACTERS = 28


class Identity(Protocol):
    """A P-256 key that owns a client ID."""

    def sign(self, text: str) -> str:
        """Return the signature (ECDSA with SHA-256) of the UTF-8 text: r and s, 64 bytes, in base64url."""


class Statement(NamedTuple):
    """The whole state of a client ID, to be signed; "-" is nothing. Each replaces the one before."""

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
        lines = [f"{name} {value}" for name, value in zip(LINES, self, strict=True)]
        return "".join(f"{line}\n" for line in (HEAD, *lines))

    def next(self, *, identity: str = "", recovery: str = "", public_key: str | None = "") -> "Statement":
        """Make the statement after this one, which changes what is given; None as `public_key` withdraws it."""
        key = self.key
        if public_key != "":
            key = NOTHING if public_key is None else digest(public_key)
        identity, recovery = identity or self.identity, recovery or self.recovery
        return Statement(self.directory, self.client_id, self.seq + 1, digest(self.text), identity, recovery, key)


STATEMENT = re.compile("".join([f"{HEAD}\n", *(f"{name} ({form})\n" for name, form in LINES.items())]))


def parse(text: str) -> Statement:
    """Read the eight lines of a statement; raises `ValueError` for any other spelling of them."""
    found = STATEMENT.fullmatch(text)
    if found is None or int(found[3]) >= SEQ_END:
        raise ValueError("A statement is not written in its eight lines.")
    directory, client_id, seq, *others = found.groups()
    return Statement(directory, client_id, int(seq), *others)


def first_statement(directory: str, client_id: str, identity: str, recovery: str, public_key: str) -> Statement:
    """Make the statement that claims a client ID; `recovery` is a public recovery key, or "-"."""
    return Statement(directory, client_id, 0, NOTHING, identity, recovery, digest(public_key))


def registration(server: str, client_id: str, challenge: str) -> str:
    """Return the four lines that register; `server` is the host of the URL that was opened, never one it told."""
    return f"securecall-register-v2\nserver {server}\nid {client_id}\nchallenge {challenge}\n"


def digest(text: str) -> str:
    """Return the SHA-256 of the UTF-8 text in base64url, as statements name others and keys."""
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def recovery_code(secret: bytes) -> str:
    """Write 16 random bytes as a recovery code, with a check byte, in seven groups of four."""
    number = int.from_bytes(secret + _check_byte(secret), "big") << 4
    characters = [ALPHABET[number >> shift & 31] for shift in range(135, -1, -5)]
    return "-".join("".join(characters[start : start + 4]) for start in range(0, CODE_CHARACTERS, 4))


def read_recovery_code(code: str) -> bytes:
    """Read a recovery code without regard to case, hyphens and blanks; raises `ValueError` for one with a mistake."""
    text = "".join(code.upper().replace("-", "").split()).translate(str.maketrans("OIL", "011"))
    if len(text) != CODE_CHARACTERS or not set(text) <= set(ALPHABET):
        raise ValueError("A recovery code has 28 letters and digits.")
    number = 0
    for character in text:
        number = number << 5 | ALPHABET.index(character)
    data = (number >> 4).to_bytes(CODE_BYTES + 1, "big")
    if number & 15 or data[CODE_BYTES:] != _check_byte(data[:CODE_BYTES]):
        raise ValueError("There is a mistake in this recovery code; compare it with the one on paper.")
    return data[:CODE_BYTES]


def recovery_seed(secret: bytes, directory: str, client_id: str) -> bytes:
    """Return the seed of the Ed25519 key that a recovery code stands for, which is another for each client ID."""
    return hashlib.sha256(f"securecall-recovery-v2\n{directory}\n{client_id}\n".encode() + secret).digest()


def _check_byte(secret: bytes) -> bytes:
    return hashlib.sha256(b"securecall-recovery-check-v2" + secret).digest()[:1]
