"""Updates: what the log says of a statement, 110 bytes; an entry is an update and the prefix root after it."""

import base64
import hashlib
import struct
from typing import NamedTuple, Self

from securecall_client.refusal import from_base64url, require

VERSION = 1
KINDS = {1, 2}
# Big-endian: version, kind, seq, accepted at, index, SHA-256 of the update before, of the statement.
FORM = struct.Struct(">BBIQ32s32s32s")
ENTRY_BYTES = FORM.size + 32
NONE_BEFORE = bytes(32)


class Update(NamedTuple):
    """The fields of an update, and its SHA-256; `accepted_at` is in unix milliseconds."""

    kind: int
    seq: int
    accepted_at: int
    search_key: bytes
    before: bytes
    statement: bytes
    hash: bytes

    @classmethod
    def read(cls, text: str) -> Self:
        """Read an update from base64url; refuses one of another version."""
        data = from_base64url(text, FORM.size)
        version, *fields = FORM.unpack(data)
        update = cls._make((*fields, hashlib.sha256(data).digest()))
        require(version == VERSION and update.kind in KINDS, "An update is of a version that is not known.")
        return update

    @property
    def statement_digest(self) -> str:
        """Return the SHA-256 of the statement as statements name it."""
        return base64.urlsafe_b64encode(self.statement).rstrip(b"=").decode()
