"""Checkpoints (C2SP tlog-checkpoint) as signed notes: what a log says about its tree, and who signed it.

A note is its text, an empty line, and signature lines. A checkpoint's text is three lines: the log's name, the size of
its tree in decimal, the root hash in base64.
"""

import base64
import re
from typing import NamedTuple

from auditor.errors import FaultError
from auditor.keys import ID_BYTES, KEY_BYTES, SigningKey, VerifyingKey, from_base64

NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
SIGNATURE_LINE = re.compile(r"— (?P<name>[^\s+]+) (?P<data>[A-Za-z0-9+/]+={0,2})")
TIME_BYTES = 8
# A checkpoint says: as of then, this is my largest tree. One from another hour says nothing about now.
MOST_SECONDS_AWAY = 3600


class Checkpoint(NamedTuple):
    """A checkpoint that its log signed, and the whole note as it came."""

    origin: str
    size: int
    root: bytes
    signed_at: int
    note: str


def read(note: str, key: VerifyingKey) -> Checkpoint:
    """Verify both signatures of a log; raises `FaultError` for a note that it did not sign in this form."""
    text, blank, lines = note.rpartition("\n\n")
    text += "\n"
    origin, _, rest = text.partition("\n")
    size, _, root = rest.removesuffix("\n").partition("\n")
    if not blank or not lines.endswith("\n") or text.count("\n") != len(Checkpoint._fields) - 2:
        raise FaultError("The checkpoint is none: three lines, an empty one, and signatures.")
    if origin != key.name:
        raise FaultError("The checkpoint is of another log than the vkey.")
    signatures = _signatures(lines)
    _verify(key, signatures, text.encode())
    signed_at = _verify_with_time(key.cosigning(), signatures, text)
    try:
        root_hash = from_base64(root)
    except ValueError:
        root_hash = b""
    if not NUMBER.fullmatch(size) or len(root_hash) != KEY_BYTES:
        raise FaultError("The checkpoint's size is no decimal number, or its root no 32 bytes in base64.")
    return Checkpoint(origin, int(size), root_hash, signed_at, note)


def check_time(checkpoint: Checkpoint, now: float) -> None:
    """Refuse a checkpoint of another hour than this clock's."""
    seconds = round(now - checkpoint.signed_at)
    if abs(seconds) > MOST_SECONDS_AWAY:
        when = "ago" if seconds > 0 else "ahead of this clock"
        raise FaultError(f"The checkpoint is late: it was signed {abs(seconds):,} s {when}; an hour is the most.")


def cosign(checkpoint: Checkpoint, key: SigningKey, now: float) -> str:
    """Return the checkpoint with a signature line of one's own, with the time."""
    text = checkpoint.note.rpartition("\n\n")[0] + "\n"
    time = int(now)
    signature = key.private.sign(_timed(time, text))
    data = key.verifying.id + time.to_bytes(TIME_BYTES, "big") + signature
    return f"{checkpoint.note}— {key.verifying.name} {base64.b64encode(data).decode()}\n"


def _signatures(lines: str) -> dict[tuple[str, bytes], bytes]:
    """Read signature lines, by name and key ID."""
    signatures: dict[tuple[str, bytes], bytes] = {}
    for line in lines.removesuffix("\n").split("\n"):
        match = SIGNATURE_LINE.fullmatch(line)
        try:
            data = from_base64(match["data"]) if match else b""
        except ValueError:
            data = b""
        if match is None or len(data) <= ID_BYTES:
            raise FaultError("A signature line of the checkpoint is malformed.")
        name = match["name"], data[:ID_BYTES]
        if name in signatures:
            raise FaultError("The checkpoint has two signatures by the same key.")
        signatures[name] = data[ID_BYTES:]
    return signatures


def _verify(key: VerifyingKey, signatures: dict[tuple[str, bytes], bytes], message: bytes) -> None:
    if not key.is_signature(signatures.get((key.name, key.id), b""), message):
        raise FaultError("The checkpoint is not signed by the log's key.")


def _verify_with_time(key: VerifyingKey, signatures: dict[tuple[str, bytes], bytes], text: str) -> int:
    """Return the time that a cosignature/v1 names."""
    data = signatures.get((key.name, key.id), b"")
    time = int.from_bytes(data[:TIME_BYTES], "big")
    if not time or not key.is_signature(data[TIME_BYTES:], _timed(time, text)):
        raise FaultError("The checkpoint is not signed by the log's key together with the time.")
    return time


def _timed(time: int, text: str) -> bytes:
    return f"cosignature/v1\ntime {time}\n{text}".encode()
