"""The prefix tree: its root is that of the definition, whatever the pieces; every path proves what it says."""

import random
from collections.abc import Callable, Sequence

import pytest

from transparency import prefix_tree
from transparency.prefix_tree import EMPTY, BadProofError, leaf_hash, parent_hash


class Store:
    """Pieces in memory."""

    def __init__(self) -> None:
        self.pieces: dict[str, bytes] = {}
        self.reads = 0

    def read(self, names: Sequence[str]) -> dict[str, bytes]:
        self.reads += 1
        return {name: self.pieces[name] for name in names if name in self.pieces}

    def update(self, index: bytes, value: bytes) -> tuple[bytes, bytes | None, bytes]:
        updated = prefix_tree.update(index, value, self.read)
        self.pieces |= updated.pieces
        return updated.root_before, updated.value_before, updated.root


def defined_root(leaves: list[bytes], depth: int = 0) -> bytes:
    """The root as TRUST.md defines it."""
    if not leaves:
        return EMPTY
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    halves: tuple[list[bytes], list[bytes]] = ([], [])
    for leaf in leaves:
        halves[leaf[depth // 8] >> 7 - depth % 8 & 1].append(leaf)
    return parent_hash(*(defined_root(half, depth + 1) for half in halves))


def scattered(dice: random.Random) -> bytes:
    return dice.randbytes(32)


def crowded(dice: random.Random) -> bytes:
    """An index that differs from the others in two early bits, and far down."""
    return bytes(3) + bytes([dice.randrange(4)]) + bytes(20) + dice.randbytes(8)


@pytest.mark.parametrize("make", [scattered, crowded], ids=["scattered", "crowded"])
@pytest.mark.parametrize("count", [1, 2, 3, 30])
def test_root_and_paths_are_those_of_the_definition(make: Callable[[random.Random], bytes], count: int) -> None:
    dice = random.Random(7)  # noqa: S311  # dice that can be thrown again
    store, leaves, root = Store(), dict[bytes, bytes](), EMPTY
    indexes = [make(dice) for _ in range(count)]
    for index in indexes + dice.choices(indexes, k=count):
        there, leaves[index] = leaves.get(index), dice.randbytes(32)
        before, value_before, after = store.update(index, leaves[index])
        assert (before, value_before) == (root, there)
        root = after
        assert root == prefix_tree.root(store.read) == defined_root([key + value for key, value in leaves.items()])
    assert prefix_tree.pieces_of(sorted(key + value for key, value in leaves.items())) == store.pieces
    for index, value in leaves.items():
        found = prefix_tree.search(index, store.read)
        assert found.leaf == index + value
        assert prefix_tree.root_of(index, value, found.siblings) == root
    for _ in range(60):
        index = make(dice)
        found = prefix_tree.search(index, store.read)
        assert prefix_tree.root_of(index, None, found.siblings, found.leaf) == root


def test_empty_tree_has_the_root_of_an_empty_place() -> None:
    store = Store()
    assert prefix_tree.root(store.read) == EMPTY == prefix_tree.root_of(bytes(32), None, [])
    assert prefix_tree.search(bytes(32), store.read) == ([], None)


def test_update_writes_and_search_reads_a_handful_of_pieces() -> None:
    dice, store = random.Random(3), Store()  # noqa: S311  # likewise
    for _ in range(500):
        store.update(dice.randbytes(32), bytes(32))
    store.reads = 0
    assert len(prefix_tree.update(dice.randbytes(32), bytes(32), store.read).pieces) <= 5
    prefix_tree.search(dice.randbytes(32), store.read)
    assert store.reads == 2


def test_path_that_no_tree_has_is_refused() -> None:
    index, other = bytes(32), b"\x80" + bytes(31)
    for value, siblings, leaf in (
        # Its own leaf, one from elsewhere, half a leaf, both, and more siblings than an index has bits.
        (None, [], index + bytes(32)),
        (None, [EMPTY], other + bytes(32)),
        (None, [], other),
        (bytes(32), [], other + bytes(32)),
        (None, [EMPTY] * 257, None),
    ):
        with pytest.raises(BadProofError):
            prefix_tree.root_of(index, value, siblings, leaf)
