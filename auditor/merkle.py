"""The Merkle tree of RFC 6962, as far as appending needs it."""

import hashlib
from collections.abc import Iterable

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of an entry as a leaf of the tree."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node from those of its two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def join(peaks: Iterable[bytes]) -> bytes:
    """Return the root over the complete subtrees of a tree, the largest first."""
    above = EMPTY_ROOT
    for is_last, peak in enumerate(reversed(list(peaks))):
        above = node_hash(peak, above) if is_last else peak
    return above


class MerkleTree:
    """The complete subtrees of a tree, one for each bit of its size, the largest first."""

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self.size = size
        self.peaks = list(peaks)

    def append(self, entry: bytes) -> None:
        """Add an entry; as many subtrees become one as the size has ones at its end."""
        peak = leaf_hash(entry)
        ones = self.size
        while ones & 1:
            peak = node_hash(self.peaks.pop(), peak)
            ones >>= 1
        self.peaks.append(peak)
        self.size += 1

    @property
    def root(self) -> bytes:
        """Return the root hash of the tree."""
        return join(self.peaks)
