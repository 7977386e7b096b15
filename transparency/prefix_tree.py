"""The prefix tree: from an index to the SHA-256 of its last update, present or absent (TRUST.md, "The log").

How it works
------------
The tree is binary, and its root is a function of the leaves alone. It is stored in pieces four levels high: a `Piece`
has sixteen slots, one for each next hexadecimal digit of the index, and is named by the digits before. A slot is empty,
a leaf if only one index begins so, or the hash of the piece below. A path of a million leaves crosses five or six
pieces, which are read at once, and an update writes those.
Pure: no Django, clock or I/O.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

HASH_BYTES = 32
INDEX_BITS = 256
LEAF_BYTES = 2 * HASH_BYTES
SLOTS = 16
LEAF, PARENT = b"\2", b"\3"
EMPTY = bytes(HASH_BYTES)
# As many pieces as a path of some million leaves crosses; whatever lies deeper takes another read.
AT_ONCE = 8

# The slots that are not empty: a hash of 32 bytes, or a leaf of 64.
Piece = dict[int, bytes]
# Returns the encoded pieces with these names; those that are not there are left out.
Read = Callable[[Sequence[str]], Mapping[str, bytes]]


class BadProofError(ValueError):
    """A proof does not fit the index that it was sent for."""


class Found(NamedTuple):
    """Where the way to an index ends: the siblings, from the root on, and the leaf there; None for an empty place."""

    siblings: list[bytes]
    leaf: bytes | None


class Updated(NamedTuple):
    """What an update makes: the root and the value before, the root after, and the encoded pieces to write."""

    root_before: bytes
    value_before: bytes | None
    root: bytes
    pieces: dict[str, bytes]


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of a leaf: an index, and the value behind it."""
    return hashlib.sha256(LEAF + leaf).digest()


def parent_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two children."""
    return hashlib.sha256(PARENT + left + right).digest()


def root(read: Read) -> bytes:
    """Return the root of the tree."""
    return _hash(_decode(read([""]).get("", b"")))


def search(index: bytes, read: Read) -> Found:
    """Go from the root to where an index stands, or would."""
    siblings: list[bytes] = []
    for piece, digit in _way_to(index, read):
        low, high = 0, SLOTS
        while high - low > 1 or _is_leaf(piece.get(low)):
            inside = [content for slot, content in piece.items() if low <= slot < high]
            if len(inside) <= 1 and all(map(_is_leaf, inside)):
                return Found(siblings, inside[0] if inside else None)
            middle = (low + high) // 2
            low, high, beside = (low, middle, (middle, high)) if digit < middle else (middle, high, (low, middle))
            siblings.append(_hash(piece, *beside))
        if low not in piece:
            break
    return Found(siblings, None)


def update(index: bytes, value: bytes, read: Read) -> Updated:
    """Give an index a value; nothing is written but what is returned."""
    way: list[tuple[str, Piece, int]] = []
    for depth, (piece, digit) in enumerate(_way_to(index, read)):
        way.append((index.hex()[:depth], piece, digit))
        if digit not in piece or _is_leaf(piece[digit]):
            break
    root_before = _hash(way[0][1])
    name, piece, digit = way[-1]
    value_before = there[HASH_BYTES:] if (there := piece.get(digit, b"")).startswith(index) else None
    written: dict[str, bytes] = {}
    piece[digit] = _put(index.hex()[: len(name) + 1], piece.get(digit), index + value, written)
    for (_, above, slot), (name, below, _) in zip(way[-2::-1], way[:0:-1], strict=True):
        written[name] = _encode(below)
        above[slot] = _hash(below)
    _, top, _ = way[0]
    written[""] = _encode(top)
    return Updated(root_before, value_before, _hash(top), written)


def pieces_of(leaves: Sequence[bytes], name: str = "") -> dict[str, bytes]:
    """Return the encoded pieces, from `name` down, of the tree of these leaves, which are in the order of indexes."""
    pieces: dict[str, bytes] = {}
    piece: Piece = {}
    for digit, group in groupby(leaves, key=lambda leaf: leaf[len(name) // 2] >> 4 * (1 - len(name) % 2) & SLOTS - 1):
        inside = list(group)
        piece[digit] = inside[0]
        if len(inside) > 1:
            below = f"{name}{digit:x}"
            pieces |= pieces_of(inside, below)
            piece[digit] = _hash(_decode(pieces[below]))
    pieces[name] = _encode(piece)
    return pieces


def root_of(index: bytes, value: bytes | None, siblings: Sequence[bytes], leaf: bytes | None = None) -> bytes:
    """Return the root to which a proof leads: that an index has `value`, or that it is absent (None).

    Raises `BadProofError` for a path that no tree has.
    """
    depth = len(siblings)
    if depth > INDEX_BITS or (value is not None and leaf is not None):
        raise BadProofError("The path is longer than an index, or proves both.")
    if value is not None:
        found = leaf_hash(index + value)
    elif leaf is None:
        found = EMPTY
    else:
        if len(leaf) != LEAF_BYTES or leaf[:HASH_BYTES] == index or _bits(leaf, depth) != _bits(index, depth):
            raise BadProofError("The leaf that was met does not stand where the index would.")
        found = leaf_hash(leaf)
    for bit, sibling in zip(reversed(_bits(index, depth)), reversed(siblings), strict=True):
        found = parent_hash(sibling, found) if bit == "1" else parent_hash(found, sibling)
    return found


def _way_to(index: bytes, read: Read) -> Iterator[tuple[Piece, int]]:
    """Yield the pieces on the way to an index, each with the slot by which the way goes on; read a few at a time."""
    digits = index.hex()
    for first in range(0, len(digits), AT_ONCE):
        names = [digits[:depth] for depth in range(first, first + AT_ONCE)]
        found = read(names)
        for name in names:
            yield _decode(found.get(name, b"")), int(digits[len(name)], SLOTS)


def _put(name: str, there: bytes | None, leaf: bytes, written: dict[str, bytes]) -> bytes:
    """Return what a slot holds that gets a leaf; of another leaf there, both go into a piece of that name."""
    if there is None or there[:HASH_BYTES] == leaf[:HASH_BYTES]:
        return leaf
    ours, others = (int(content[:HASH_BYTES].hex()[len(name)], SLOTS) for content in (leaf, there))
    piece = {ours: leaf, others: there}
    if ours == others:
        piece = {ours: _put(name + f"{ours:x}", there, leaf, written)}
    written[name] = _encode(piece)
    return _hash(piece)


def _is_leaf(content: bytes | None) -> bool:
    return content is not None and len(content) == LEAF_BYTES


def _hash(piece: Piece, low: int = 0, high: int = SLOTS) -> bytes:
    """Return the hash of the part of a piece from a slot to before another one."""
    if high - low == 1:
        content = piece.get(low, EMPTY)
        return leaf_hash(content) if len(content) == LEAF_BYTES else content
    inside = [content for slot, content in piece.items() if low <= slot < high]
    if not inside:
        return EMPTY
    if len(inside) == 1 and _is_leaf(inside[0]):
        return leaf_hash(inside[0])
    middle = (low + high) // 2
    return parent_hash(_hash(piece, low, middle), _hash(piece, middle, high))


def _bits(data: bytes, count: int) -> str:
    return f"{int.from_bytes(data[:HASH_BYTES], 'big'):0{INDEX_BITS}b}"[:count]


def _encode(piece: Piece) -> bytes:
    """Encode a piece: which slots are there, which of them are leaves, and what is in them."""
    there = sum(1 << slot for slot in piece)
    leaves = sum(1 << slot for slot, content in piece.items() if len(content) == LEAF_BYTES)
    return there.to_bytes(2, "big") + leaves.to_bytes(2, "big") + b"".join(piece[slot] for slot in sorted(piece))


def _decode(data: bytes) -> Piece:
    there, leaves = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big")
    piece: Piece = {}
    start = 4
    for slot in range(SLOTS):
        if there >> slot & 1:
            end = start + (LEAF_BYTES if leaves >> slot & 1 else HASH_BYTES)
            piece[slot] = data[start:end]
            start = end
    return piece
