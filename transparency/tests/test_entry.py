"""Entries and updates: TRUST.md's, byte for byte."""

import pytest

from tests.support.vectors import load
from transparency import merkle, prefix_tree
from transparency.entry import ENTRY_BYTES, NOTHING, UPDATE_BYTES, BadEntryError, Entry, Update
from transparency.tests.test_merkle import Tree
from transparency.tests.test_prefix_tree import Store

TRUST = load("trust")
ENTRIES = [bytes.fromhex(text) for text in TRUST["entries"]]


def test_entries_are_read_and_written_alike() -> None:
    assert (UPDATE_BYTES, ENTRY_BYTES, len(ENTRIES)) == (110, 142, 3)
    for data in ENTRIES:
        assert Entry.decode(data).encoded == data
    first, second, third = (Entry.decode(data).update for data in ENTRIES)
    assert [(update.kind, update.seq) for update in (first, second, third)] == [(1, 0), (1, 0), (1, 1)]
    assert [update.at_ms - 1_790_000_000_000 for update in (first, second, third)] == [0, 1000, 2000]
    assert (first.before, second.before, third.before) == (NOTHING, NOTHING, first.digest)


def test_leaves_and_roots_follow_from_the_entries() -> None:
    assert [merkle.leaf_hash(data).hex() for data in ENTRIES] == TRUST["leafHashes"]
    tree, prefixes = Tree(ENTRIES), Store()
    assert [merkle.root(size, tree.read).hex() for size in (1, 2, 3)] == TRUST["roots"]
    for entry in map(Entry.decode, ENTRIES):
        assert prefixes.update(entry.update.index, entry.update.digest)[2] == entry.prefix_root
    assert prefix_tree.root(prefixes.read) == Entry.decode(ENTRIES[2]).prefix_root


@pytest.mark.parametrize("data", [b"", ENTRIES[0][:-1], ENTRIES[0] + b"\0", b"\2" + ENTRIES[0][1:]], ids=range(4))
def test_bytes_that_are_no_entry_are_refused(data: bytes) -> None:
    with pytest.raises(BadEntryError):
        Entry.decode(data)


def test_bytes_that_are_no_update_are_refused() -> None:
    with pytest.raises(BadEntryError):
        Update.decode(ENTRIES[0])
