"""The rules of entries: what each one has to be after the ones before it."""

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from auditor.errors import WrongEntryError
from auditor.merkle import MerkleTree
from auditor.prefix_tree import EMPTY, Leaf, PrefixTree

VERSION = 1
BY_OWNER, AFTER_RELEASE = 1, 2
UPDATE_BYTES = 110
# Big-endian: version, kind, seq, accepted at, index, SHA-256 of the update before, of the statement; the prefix root.
FORM = struct.Struct(">BBIQ32s32s32s32s")
ENTRY_BYTES = FORM.size


class Entry(NamedTuple):
    """The fields of an entry; `accepted_at` is in unix milliseconds, `search_key` is the index, a name tuples use."""

    version: int
    kind: int
    seq: int
    accepted_at: int
    search_key: bytes
    before: bytes
    statement: bytes
    prefix_root: bytes


class Before(NamedTuple):
    """What an entry has to follow: the time of the entry before it, and the last update of its index."""

    accepted_at: int
    value: bytes
    next_seq: int


# In this order: whether an entry breaks a rule, and what to say then.
RULES: tuple[tuple[Callable[[Entry, Before], bool], str], ...] = (
    (
        lambda entry, _: entry.version != VERSION,
        f"its version is {{entry.version}}; this auditor knows {VERSION}.",
    ),
    (
        lambda entry, _: entry.kind not in {BY_OWNER, AFTER_RELEASE},
        f"its kind is {{entry.kind}}; there are {BY_OWNER} and {AFTER_RELEASE}.",
    ),
    (
        lambda entry, before: entry.accepted_at < before.accepted_at,
        "its time, {entry.accepted_at}, is before that of the entry before, {before.accepted_at}.",
    ),
    (
        lambda entry, before: entry.seq != before.next_seq,
        "its seq is {entry.seq}; {before.next_seq} comes next for its index.",
    ),
    (
        lambda entry, before: entry.before != before.value,
        "it does not name the update that its index had before.",
    ),
    (
        lambda entry, before: entry.kind == AFTER_RELEASE and not before.next_seq,
        "it says that it follows a release, and its index had no entry.",
    ),
)


@dataclass
class Replay:
    """What the entries so far amount to."""

    accepted_at: int = 0
    prefix_tree: PrefixTree = field(default_factory=PrefixTree)
    merkle: MerkleTree = field(default_factory=MerkleTree)

    @property
    def size(self) -> int:
        """Return how many entries were replayed."""
        return self.merkle.size

    def append(self, data: bytes) -> None:
        """Add the next entry; raises `WrongEntryError` for one that does not follow."""
        number = self.size
        if len(data) != ENTRY_BYTES:
            raise WrongEntryError(number, f"it has {len(data)} bytes, an entry has {ENTRY_BYTES}.")
        entry = Entry._make(FORM.unpack(data))
        value, seq = self.prefix_tree.find(entry.search_key) or Leaf(EMPTY, -1)
        before = Before(self.accepted_at, value, seq + 1)
        for is_broken, sentence in RULES:
            if is_broken(entry, before):
                raise WrongEntryError(number, sentence.format(entry=entry, before=before))
        value = hashlib.sha256(data[:UPDATE_BYTES]).digest()
        if self.prefix_tree.put(entry.search_key, Leaf(value, entry.seq)) != entry.prefix_root:
            raise WrongEntryError(number, "its prefix root is not the one that the entries up to it give.")
        self.accepted_at = entry.accepted_at
        self.merkle.append(data)
