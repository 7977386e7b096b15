"""The log's key and its checkpoints (C2SP signed-note, tlog-checkpoint, tlog-cosignature), read and verified."""

import base64
import binascii
import hashlib
import re
from typing import NamedTuple

from securecall_client.refusal import OtherLogError, RefusedError, from_base64url, require
from securecall_client.signatures import is_signed

NOTE, COSIGNATURE = b"\x01", b"\x04"
KEY_BYTES = 32
ID_BYTES = 4
TIME_BYTES = 8
CHECKPOINT = re.compile(r"(?P<origin>[^\n]+)\n(?P<size>0|[1-9][0-9]{0,18})\n(?P<root>[A-Za-z0-9+/]{43}=)\n")
LINE = re.compile(r"— (?P<name>[^\s+]+) (?P<data>[A-Za-z0-9+/]+={0,2})")
VKEY = re.compile(r"(?P<name>[a-z0-9.-]+/(?P<vrf>[A-Za-z0-9_-]{43}))\+(?P<id>[0-9a-f]{8})\+(?P<key>[A-Za-z0-9+/]{44})")


class LogKey(NamedTuple):
    """What a vkey fixes: the log's name, its directory, the key that signs, and the key that makes indexes."""

    name: str
    directory: str
    public: bytes
    vrf: bytes

    def id(self, kind: bytes) -> bytes:
        """Return the four bytes that name the key in a signature line."""
        return hashlib.sha256(f"{self.name}\n".encode() + kind + self.public).digest()[:ID_BYTES]


class Checkpoint(NamedTuple):
    """What a log signed: the size and root of its tree, and when."""

    size: int
    root: bytes
    signed_at: int


def read_vkey(text: str) -> LogKey:
    """Read a log's vkey; raises `ValueError` for one that is not whole."""
    match = VKEY.fullmatch(text)
    data = base64.b64decode(match["key"]) if match else b""
    if match is None or data[:1] != NOTE or base64.b64encode(data).decode() != match["key"]:
        raise ValueError("This is no vkey of a log: NAME+ID+KEY, as /log/key shows it.")
    key = LogKey(match["name"], match["name"].partition("/")[0], data[1:], from_base64url(match["vrf"], KEY_BYTES))
    if key.id(NOTE).hex() != match["id"]:
        raise ValueError("The vkey is not whole: its key ID does not fit.")
    return key


def read_checkpoint(note: str, key: LogKey) -> Checkpoint:
    """Verify both signatures of the log; raises `RefusedError`, `OtherLogError` for a checkpoint of another log."""
    text, separator, lines = note.rpartition("\n\n")
    match = CHECKPOINT.fullmatch(f"{text}\n")
    if match is None or not separator or not lines.endswith("\n"):
        raise RefusedError("The checkpoint is none.")
    if match["origin"] != key.name:
        raise OtherLogError("The checkpoint is of another log than the one that is known.")
    signatures = _signatures(lines)
    message = f"{text}\n".encode()
    plain, timed = (signatures.get((key.name, key.id(kind)), b"") for kind in (NOTE, COSIGNATURE))
    signed_at = int.from_bytes(timed[:TIME_BYTES], "big")
    require(is_signed(key.public, plain, message), "The checkpoint is not signed by the log.")
    message = f"cosignature/v1\ntime {signed_at}\n".encode() + message
    is_timed = signed_at > 0 and is_signed(key.public, timed[TIME_BYTES:], message)
    require(is_timed, "The checkpoint is not signed by the log together with the time.")
    return Checkpoint(int(match["size"]), _from_base64(match["root"]), signed_at)


def _signatures(lines: str) -> dict[tuple[str, bytes], bytes]:
    signatures: dict[tuple[str, bytes], bytes] = {}
    for line in lines.removesuffix("\n").split("\n"):
        match = LINE.fullmatch(line)
        if match is None:
            raise RefusedError("A signature line of the checkpoint is malformed.")
        data = _from_base64(match["data"])
        name = match["name"], data[:ID_BYTES]
        require(len(data) > ID_BYTES and name not in signatures, "The checkpoint has a signature twice.")
        signatures[name] = data[ID_BYTES:]
    return signatures


def _from_base64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise RefusedError("A line of the checkpoint is no base64.") from None
    require(base64.b64encode(data).decode() == text, "A line of the checkpoint is not written as base64 is.")
    return data
