"""The Merkle tree of the log (RFC 6962, section 2.1; RFC 9162, section 2.1): hashes, proofs, and their verification.

How it works
------------
A node is complete when all leaves below it are there; its hash never changes, and is what is stored. Everything else
is a run of leaves that begins where a tree of its size could begin: `_peaks` names the complete nodes that it is made
of, and `_fold` their hash. So each proof is a list of runs, whose nodes are read at once.
Pure: no Django, clock or I/O.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

HASH_BYTES = 32
LEAF, NODE = b"\0", b"\1"
EMPTY_ROOT = hashlib.sha256().digest()


class Node(NamedTuple):
    """A complete node: the `number`th, from the left, of those that are `level` above the leaves."""

    level: int
    number: int

    @property
    def last_leaf(self) -> int:
        """Return the number of the leaf with which the node became complete."""
        return ((self.number + 1) << self.level) - 1


# Returns the hashes of complete nodes, in their order.
Read = Callable[[Sequence[Node]], Sequence[bytes]]
Run = tuple[int, int]


class BadProofError(ValueError):
    """A proof does not prove what it was sent for."""


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of an entry as a leaf."""
    return hashlib.sha256(LEAF + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two children."""
    return hashlib.sha256(NODE + left + right).digest()


def root(size: int, read: Read) -> bytes:
    """Return the root of the tree of the first `size` leaves."""
    return _fold(read(_peaks(0, size)))


def inclusion(number: int, size: int, read: Read) -> list[bytes]:
    """Prove that a leaf is in the tree of `size` leaves (RFC 9162, 2.1.3.1); the sibling of the leaf comes first."""
    return _hashes(_path(number, 0, size), read)


def consistency(before: int, size: int, read: Read) -> list[bytes]:
    """Prove that the tree of `size` leaves begins with the one of `before` (RFC 9162, 2.1.4.1)."""
    if not 0 < before < size:
        return []
    return _hashes(_subproof(before, 0, size, is_known=True), read)


def nodes_at_end(size: int, before: int) -> list[Node]:
    """Return the nodes of which the root, the last leaf's inclusion proof and the consistency proof are made."""
    if not size:
        return []
    runs = [(0, size), *_path(size - 1, 0, size)]
    if 0 < before < size:
        runs += _subproof(before, 0, size, is_known=True)
    return [node for run in runs for node in _peaks(*run)]


def completed_by(number: int, leaf: bytes, read: Read) -> list[bytes]:
    """Return the hashes of the nodes that a leaf completes: its own, its parent's if it is a right child, and so on."""
    hashes = [leaf]
    levels = _trailing_ones(number)
    for sibling in reversed(read([Node(level, (number >> level) - 1) for level in reversed(range(levels))])):
        hashes.append(node_hash(sibling, hashes[-1]))
    return hashes


def verify_inclusion(number: int, size: int, leaf: bytes, path: Sequence[bytes], expected: bytes) -> None:
    """Raise `BadProofError` unless `path` leads from the leaf to the root `expected` (RFC 9162, 2.1.3.2)."""
    _check_lengths(leaf, *path)
    if not 0 <= number < size:
        raise BadProofError("The leaf is not in a tree of this size.")
    place, last, found = number, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise BadProofError("The inclusion proof is too long.")
        if place & 1 or place == last:
            found = node_hash(sibling, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        place, last = place >> 1, last >> 1
    if last or found != expected:
        raise BadProofError("The inclusion proof does not lead to the root.")


def verify_consistency(before: int, size: int, path: Sequence[bytes], first: bytes, second: bytes) -> None:
    """Raise `BadProofError` unless the tree with the root `second` begins with that of `first` (RFC 9162, 2.1.4.2)."""
    if 0 < before == size:
        if path or first != second:
            raise BadProofError("Trees of one size have one root, and nothing proves more.")
        return
    _check_lengths(first, second, *path)
    if not 0 < before < size or not path:
        raise BadProofError("There is no earlier tree, or nothing proves that the later one goes on.")
    # A complete tree is a node of the later one, and left out.
    rest = [first, *path] if before & (before - 1) == 0 else list(path)
    place, last = before - 1, size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = rest[0]
    for sibling in rest[1:]:
        if last == 0:
            raise BadProofError("The consistency proof is too long.")
        if place & 1 or place == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        place, last = place >> 1, last >> 1
    if last or old != first or new != second:
        raise BadProofError("The consistency proof does not lead from the one root to the other.")


def _check_lengths(*hashes: bytes) -> None:
    if any(len(found) != HASH_BYTES for found in hashes):
        raise BadProofError(f"A hash has {HASH_BYTES} bytes.")


def _trailing_ones(number: int) -> int:
    return ((number + 1) & ~number).bit_length() - 1


def _split(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def _peaks(start: int, end: int) -> list[Node]:
    """Return the complete nodes of a run, from the left; the largest comes first."""
    peaks = []
    while start < end:
        level = (end - start).bit_length() - 1
        peaks.append(Node(level, start >> level))
        start += 1 << level
    return peaks


def _fold(peaks: Sequence[bytes]) -> bytes:
    if not peaks:
        return EMPTY_ROOT
    found = peaks[-1]
    for peak in reversed(peaks[:-1]):
        found = node_hash(peak, found)
    return found


def _hashes(runs: Iterable[Run], read: Read) -> list[bytes]:
    """Return the hash of each run, with one read for all."""
    nodes: list[Node] = []
    ends = [0]
    for run in runs:
        nodes += _peaks(*run)
        ends.append(len(nodes))
    found = read(nodes)
    return [_fold(found[start:end]) for start, end in pairwise(ends)]


def _path(number: int, start: int, end: int) -> list[Run]:
    if end - start == 1:
        return []
    middle = start + _split(end - start)
    if number < middle:
        return [*_path(number, start, middle), (middle, end)]
    return [*_path(number, middle, end), (start, middle)]


def _subproof(before: int, start: int, end: int, *, is_known: bool) -> list[Run]:
    """See SUBPROOF of RFC 9162: `is_known` while the run is one that the client has the root of."""
    if before == end:
        return [] if is_known else [(start, end)]
    middle = start + _split(end - start)
    if before <= middle:
        return [*_subproof(before, start, middle, is_known=is_known), (middle, end)]
    return [*_subproof(before, middle, end, is_known=False), (start, middle)]
