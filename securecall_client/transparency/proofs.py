"""Proofs of the log's two trees: that an entry is the last, that a tree extends an earlier one, what an index has."""

import hashlib
from collections.abc import Sequence

from securecall_client.refusal import require

EMPTY = bytes(32)
EMPTY_ROOT = hashlib.sha256(b"").digest()
HASH_BYTES = 32
BITS = 8 * HASH_BYTES


def check_last(entry: bytes, size: int, root: bytes, path: Sequence[bytes]) -> None:
    """Refuse an inclusion path of the last of `size` entries that does not lead to the root.

    Every sibling is the complete subtree on the left, one for each bit of its number.
    """
    require(len(path) == (size - 1).bit_count(), "The inclusion path has another length.")
    above = hashlib.sha256(b"\x00" + entry).digest()
    for sibling in path:
        above = _node(sibling, above)
    require(above == root, "The entry is not the last one of the log.")


Tree = tuple[int, bytes]


def check_consistent(before: Tree, after: Tree, path: Sequence[bytes]) -> None:
    """Refuse a proof that does not show that a tree extends an earlier one (RFC 9162, 2.1.4.2); a tree: size, root."""
    (earlier, earlier_root), (size, root) = before, after
    if earlier in {0, size}:
        require(not path, "The consistency proof is too long.")
        require(earlier != size or earlier_root == root, "The log forked: it shows two trees of one size.")
        return
    path = [earlier_root, *path] if earlier.bit_count() == 1 else path
    require(bool(path), "The consistency proof is missing.")
    first, last = earlier - 1, size - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        require(last > 0, "The consistency proof is too long.")
        if first & 1 or first == last:
            old, new = _node(sibling, old), _node(sibling, new)
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            new = _node(new, sibling)
        first, last = first >> 1, last >> 1
    is_extended = (old, new, last) == (earlier_root, root, 0)
    require(is_extended, "The log forked: its tree does not extend the one that is known.")


def check_prefix(root: bytes, index: bytes, value: bytes | None, siblings: Sequence[bytes], met: bytes | None) -> None:
    """Refuse a path in the prefix tree under which an index does not have a value, or none where it is None."""
    require(len(siblings) <= BITS, "The path in the prefix tree is too long.")
    require(value is None or met is None, "The path in the prefix tree meets another index.")
    bits = int.from_bytes(index, "big")
    depth = len(siblings)
    if value is not None:
        above = _leaf(index, value)
    elif met is None:
        above = EMPTY
    else:
        other = int.from_bytes(met[:HASH_BYTES], "big")
        is_on_the_way = other != bits and other >> BITS - depth == bits >> BITS - depth
        require(is_on_the_way, "The leaf in place of the index is not on its way.")
        above = _leaf(met[:HASH_BYTES], met[HASH_BYTES:])
    for level in range(depth - 1, -1, -1):
        pair = (siblings[level], above) if bits >> BITS - 1 - level & 1 else (above, siblings[level])
        above = hashlib.sha256(b"\x03" + b"".join(pair)).digest()
    require(above == root, "The prefix tree of the log says otherwise of this client ID.")


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _leaf(index: bytes, value: bytes) -> bytes:
    return hashlib.sha256(b"\x02" + index + value).digest()
