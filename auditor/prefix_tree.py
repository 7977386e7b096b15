"""The prefix tree: index to the SHA-256 of its last update, a leaf at the shallowest depth where it is alone.

The tree lies in flat lists, for a million leaves in 300 MB. A *slot* is a place below an inner node: node n has the
slots 2n, for the bit 0, and 2n + 1. `below[slot]` says what stands there: 0 for nothing, n for the inner node n, -k for
the leaf k. `hashes[slot]` is its hash. Slot 0 belongs to no node: the root stands there. A node that is made stands
below older ones, so the highest number has only leaves below it.
"""

import hashlib
from array import array
from collections.abc import Iterator
from itertools import chain, islice
from typing import NamedTuple

EMPTY = bytes(32)
ROOT_SLOT = 0
BITS = [tuple(byte >> shift & 1 for shift in range(7, -1, -1)) for byte in range(256)]

HASH_BYTES = 32
SEQ_BYTES = 4
LEAF_BYTES = 2 * HASH_BYTES + SEQ_BYTES


class Leaf(NamedTuple):
    """The last update of an index: its SHA-256, and the `seq` of its statement."""

    value: bytes
    seq: int


class PrefixTree:
    """A prefix tree that keeps the hash of every node."""

    def __init__(self) -> None:
        self.below = array("i", [0, 0])
        self.hashes = [EMPTY, EMPTY]
        # Index, value and seq of each leaf, one behind the other; leaf 0 is none.
        self.leaves = bytearray(LEAF_BYTES)

    @property
    def root(self) -> bytes:
        """Return the root hash of the tree."""
        return self.hashes[ROOT_SLOT]

    def find(self, index: bytes) -> Leaf | None:
        """Return the leaf of an index, None where there is none."""
        place = -self.below[self._path(index)[-1]]
        if not place or self._index(place) != index:
            return None
        _, value, seq = self._leaf(place)
        return Leaf(value, int.from_bytes(seq, "big"))

    def put(self, index: bytes, leaf: Leaf) -> bytes:
        """Set the leaf of an index; returns the new root."""
        path = self._place(index, leaf)
        above = _leaf_hash(index, leaf.value)
        hashes = self.hashes
        for slot in path[:ROOT_SLOT:-1]:
            hashes[slot] = above
            above = hashlib.sha256(b"\x03" + hashes[slot & ~1] + hashes[slot | 1]).digest()
        hashes[ROOT_SLOT] = above
        return above

    def dump(self) -> bytes:
        """Return all leaves, for `load`."""
        return bytes(self.leaves[LEAF_BYTES:])

    @classmethod
    def load(cls, leaves: bytes) -> "PrefixTree":
        """Build the tree of the leaves, with one hash for each node."""
        tree = cls()
        for start in range(0, len(leaves), LEAF_BYTES):
            index = leaves[start : start + HASH_BYTES]
            value = leaves[start + HASH_BYTES : start + 2 * HASH_BYTES]
            seq = int.from_bytes(leaves[start + 2 * HASH_BYTES : start + LEAF_BYTES], "big")
            tree._place(index, Leaf(value, seq))
        for slot in range(len(tree.below) - 1, -1, -1):
            tree.hashes[slot] = tree._hash(tree.below[slot])
        return tree

    def _path(self, index: bytes) -> list[int]:
        """Return the slots from the root to where no inner node stands."""
        below = self.below
        path = [ROOT_SLOT]
        node = below[ROOT_SLOT]
        for bit in _bits(index):
            if node <= 0:
                break
            slot = 2 * node + bit
            path.append(slot)
            node = below[slot]
        return path

    def _place(self, index: bytes, leaf: Leaf) -> list[int]:
        """Put a leaf where it belongs; returns the slots down to it, whose hashes are to be made anew."""
        path = self._path(index)
        met = -self.below[path[-1]]
        record = index + leaf.value + leaf.seq.to_bytes(SEQ_BYTES, "big")
        if met and self._index(met) == index:
            self.leaves[met * LEAF_BYTES : (met + 1) * LEAF_BYTES] = record
            return path
        if met:
            self._part(path, index, met)
        self.below[path[-1]] = -(len(self.leaves) // LEAF_BYTES)
        self.leaves += record
        return path

    def _part(self, path: list[int], index: bytes, met: int) -> None:
        """Grow inner nodes below the last slot until the leaf that stands there and the index part."""
        other = self._index(met)
        depth = len(path) - 1
        below = zip(islice(_bits(index), depth, None), islice(_bits(other), depth, None), strict=True)
        for bit, other_bit in below:
            node = len(self.below) // 2
            self.below.extend((0, 0))
            self.hashes += (EMPTY, EMPTY)
            self.below[path[-1]] = node
            path.append(2 * node + bit)
            if bit != other_bit:
                self.below[2 * node + other_bit] = -met
                self.hashes[2 * node + other_bit] = self._hash(-met)
                return

    def _hash(self, place: int) -> bytes:
        """Return the hash of what `below` names, from the hashes below that."""
        if place > 0:
            return hashlib.sha256(b"\x03" + self.hashes[2 * place] + self.hashes[2 * place + 1]).digest()
        index, value, _ = self._leaf(-place)
        return _leaf_hash(index, value) if place else EMPTY

    def _index(self, place: int) -> bytes:
        start = place * LEAF_BYTES
        return bytes(self.leaves[start : start + HASH_BYTES])

    def _leaf(self, place: int) -> tuple[bytes, bytes, bytes]:
        record = bytes(self.leaves[place * LEAF_BYTES : (place + 1) * LEAF_BYTES])
        return record[:HASH_BYTES], record[HASH_BYTES : 2 * HASH_BYTES], record[2 * HASH_BYTES :]


def _leaf_hash(index: bytes, value: bytes) -> bytes:
    return hashlib.sha256(b"\x02" + index + value).digest()


def _bits(index: bytes) -> Iterator[int]:
    """Return the bits of an index, the most significant first."""
    return chain.from_iterable(map(BITS.__getitem__, index))
