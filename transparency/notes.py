"""Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint, tlog-cosignature): made, and read again.

A checkpoint has two lines of the log's key: type 01, by which verifiers know a log, and type 04, which says of the time
in it that this was the log's largest tree.
Pure: no Django, clock or I/O.
"""

import base64
import binascii
import hashlib
import re
from typing import NamedTuple, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ED25519, COSIGNATURE = b"\1", b"\4"
KEY_ID_BYTES, TIME_BYTES, KEY_BYTES, HASH_BYTES = 4, 8, 32, 32
LINE = re.compile(r"— ([^ +\n]+) ([A-Za-z0-9+/=]+)")
CHECKPOINT = re.compile(r"(?P<origin>[^\n]+)\n(?P<size>0|[1-9][0-9]{0,18})\n(?P<root>[^\n]+)\n")


class BadNoteError(ValueError):
    """A note, a key or a checkpoint has not its form, or is not signed by who has to sign it."""


class Checkpoint(NamedTuple):
    """The size and the root of a log's tree."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """Return the three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the lines of a checkpoint without extensions; raises `BadNoteError`."""
        match = CHECKPOINT.fullmatch(text)
        if match is None:
            raise BadNoteError("A checkpoint is three lines: its origin, a size, and a root in base64.")
        return cls(match["origin"], int(match["size"]), _decoded(match["root"], HASH_BYTES))


class Verifier(NamedTuple):
    """A public key with the name of who signs with it."""

    name: str
    key: bytes

    @property
    def vkey(self) -> str:
        """Return the key as verifiers are given it: name, key ID and key."""
        return self.vkey_of(ED25519)

    @classmethod
    def parse(cls, vkey: str, kind: bytes = ED25519) -> Self:
        """Read a vkey whose key signs in this way; raises `BadNoteError`."""
        name, _, rest = vkey.partition("+")
        data = _decoded(rest.partition("+")[2], 1 + KEY_BYTES)
        found = cls(name, data[1:])
        if not name or re.search(r"\s", name) or found.vkey_of(kind) != vkey:
            raise BadNoteError("A vkey is a name, its key ID and an Ed25519 key, with + between them.")
        return found

    def line(self, kind: bytes, signature: bytes) -> str:
        """Return the line of a note for a signature of this key."""
        return f"— {self.name} {_base64(key_id(self.name, kind, self.key) + signature)}\n"

    def is_signed(self, text: str, signature: bytes) -> bool:
        """Return whether a signature of type 01 is this key's over the text of a note."""
        return self._is_right(signature, text.encode())

    def cosigned_at(self, text: str, signature: bytes) -> int | None:
        """Return the time in a signature of type 04; None for one that is not this key's."""
        at = int.from_bytes(signature[:TIME_BYTES], "big")
        is_right = at > 0 and self._is_right(signature[TIME_BYTES:], _cosigned(text, at))
        return at if is_right else None

    def vkey_of(self, kind: bytes) -> str:
        """Return the key as verifiers of signatures of this type are given it."""
        return f"{self.name}+{key_id(self.name, kind, self.key).hex()}+{_base64(kind + self.key)}"

    def _is_right(self, signature: bytes, message: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


class Signer:
    """A private key with the name of who signs with it."""

    def __init__(self, name: str, seed: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = Verifier(name, self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    def sign(self, text: str) -> str:
        """Return a line that signs the text of a note (type 01)."""
        return self.verifier.line(ED25519, self._private.sign(text.encode()))

    def cosign(self, text: str, at: int) -> str:
        """Return a line that says of the time `at`, in unix seconds, that this was the largest tree (type 04)."""
        if at <= 0:
            raise ValueError("A cosignature has a time after 1970.")
        signature = at.to_bytes(TIME_BYTES, "big") + self._private.sign(_cosigned(text, at))
        return self.verifier.line(COSIGNATURE, signature)


def key_id(name: str, kind: bytes, key: bytes) -> bytes:
    """Return the four bytes by which a signature names its key."""
    return hashlib.sha256(name.encode() + b"\n" + kind + key).digest()[:KEY_ID_BYTES]


def checkpoint(signer: Signer, size: int, root: bytes, at: int) -> str:
    """Return a log's signed checkpoint, of which `at`, in unix seconds, was before the tree was read."""
    text = Checkpoint(signer.verifier.name, size, root).text
    return f"{text}\n{signer.sign(text)}{signer.cosign(text, at)}"


def read(note: str, log: Verifier) -> tuple[Checkpoint, int]:
    """Return a checkpoint and its time; raises `BadNoteError` unless the log signed it in both ways."""
    text, blank, rest = note.rpartition("\n\n")
    if not blank:
        raise BadNoteError("A signed note is its text, an empty line, and lines that sign it.")
    text += "\n"
    found = Checkpoint.parse(text)
    if found.origin != log.name:
        raise BadNoteError("The checkpoint is of another log.")
    signed = [log.is_signed(text, data) for data in signatures_by(log, ED25519, rest)]
    times = [log.cosigned_at(text, data) for data in signatures_by(log, COSIGNATURE, rest)]
    if not signed or not all(signed) or len(times) != 1 or times[0] is None:
        raise BadNoteError("The log has not signed this checkpoint in both ways.")
    return found, times[0]


def signatures_by(verifier: Verifier, kind: bytes, lines: str) -> list[bytes]:
    """Return the signatures in a note's lines that bear the name and the key ID of a key; raises `BadNoteError`."""
    if not lines.endswith("\n"):
        raise BadNoteError("Lines that sign a note end in a line feed.")
    ours = (verifier.name, key_id(verifier.name, kind, verifier.key))
    found = [_signature(line) for line in lines[:-1].split("\n")]
    return [data[KEY_ID_BYTES:] for name, data in found if (name, data[:KEY_ID_BYTES]) == ours]


def _signature(line: str) -> tuple[str, bytes]:
    match = LINE.fullmatch(line)
    if match is None:
        raise BadNoteError("A line that signs is a dash, a name, and base64, with a blank between them.")
    return match[1], _decoded(match[2])


def _cosigned(text: str, at: int) -> bytes:
    return f"cosignature/v1\ntime {at}\n{text}".encode()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decoded(text: str, length: int | None = None) -> bytes:
    """Decode base64 with padding, canonical; raises `BadNoteError`."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data or _base64(data) != text or length not in {None, len(data)}:
        raise BadNoteError("This is not the base64 that stands here.")
    return data
