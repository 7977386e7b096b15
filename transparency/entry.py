"""An entry of the log, and the update in it (TRUST.md, "The log"): 142 and 110 bytes, big-endian.

Pure: no Django, clock or I/O.
"""

import hashlib
import struct
from dataclasses import dataclass
from typing import NamedTuple, Self

VERSION = 1
NOTHING = bytes(32)
UPDATE = struct.Struct(">BBIQ32s32s32s")
UPDATE_BYTES = UPDATE.size
ENTRY_BYTES = UPDATE_BYTES + 32


class BadEntryError(ValueError):
    """Bytes that are no entry, or of a version that this code does not know."""


@dataclass(frozen=True, slots=True)
class Update:
    """What a statement changed: by whose right, which of its ID's it is, when, and what was there before."""

    kind: int
    seq: int
    at_ms: int
    index: bytes
    before: bytes
    statement: bytes

    @property
    def encoded(self) -> bytes:
        """Return the 110 bytes."""
        return UPDATE.pack(VERSION, self.kind, self.seq, self.at_ms, self.index, self.before, self.statement)

    @property
    def digest(self) -> bytes:
        """Return the SHA-256 by which the prefix tree and the next update of this index name this one."""
        return hashlib.sha256(self.encoded).digest()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read an update; raises `BadEntryError`."""
        if len(data) != UPDATE_BYTES or data[0] != VERSION:
            raise BadEntryError(f"An update has {UPDATE_BYTES} bytes, of which the first is {VERSION}.")
        return cls(*UPDATE.unpack(data)[1:])


class Entry(NamedTuple):
    """An update, and the root of the prefix tree after it."""

    update: Update
    prefix_root: bytes

    @property
    def encoded(self) -> bytes:
        """Return the 142 bytes."""
        return self.update.encoded + self.prefix_root

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read an entry; raises `BadEntryError`."""
        if len(data) != ENTRY_BYTES:
            raise BadEntryError(f"An entry has {ENTRY_BYTES} bytes.")
        return cls(Update.decode(data[:UPDATE_BYTES]), data[UPDATE_BYTES:])
