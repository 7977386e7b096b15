"""The two trees and the rules of entries: against the vectors, against the definitions, and kept and read again."""

import random

import pytest

from auditor.errors import FaultError, NotServedError, WrongEntryError
from auditor.fetch import read_entries
from auditor.merkle import MerkleTree, leaf_hash
from auditor.prefix_tree import EMPTY, Leaf, PrefixTree
from auditor.replay import Replay
from auditor.tiles import TileTree
from tests.support.made_log import VECTORS, MadeLog, MadeTree, merkle_root, sha256

ENTRIES = [bytes.fromhex(entry) for entry in VECTORS["entries"]]


class Files:
    """A source of files from memory."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.read = files.get


def test_vectors_are_replayed_to_their_roots() -> None:
    replay = Replay()
    for number, entry in enumerate(ENTRIES):
        assert leaf_hash(entry).hex() == VECTORS["leafHashes"][number]
        replay.append(entry)
        assert replay.merkle.root.hex() == VECTORS["roots"][number]
        assert replay.prefix_tree.root == entry[-32:]
    assert replay.size == len(VECTORS["roots"]) == 3


def test_every_flipped_byte_of_an_entry_is_noticed() -> None:
    for position in range(0, 8 * len(ENTRIES[2]), 3):
        replay = Replay()
        replay.append(ENTRIES[0])
        replay.append(ENTRIES[1])
        flipped = bytearray(ENTRIES[2])
        flipped[position // 8] ^= 1 << position % 8
        with pytest.raises(WrongEntryError, match=r"^Entry 2 is wrong: "):
            replay.append(bytes(flipped))
        assert replay.size == 2


@pytest.mark.parametrize("length", [0, 141, 143])
def test_entry_of_another_length_is_wrong(length: int) -> None:
    with pytest.raises(WrongEntryError, match=f"^Entry 0 is wrong: it has {length} bytes"):
        Replay().append((ENTRIES[0] + b"\0")[:length])


def test_prefix_tree_is_the_one_of_the_definition() -> None:
    dice = random.Random(18)  # noqa: S311  # dice that can be thrown again
    tree, made = PrefixTree(), MadeTree()
    assert tree.root == EMPTY
    indexes: list[bytes] = []
    for number in range(600):
        index = dice.randbytes(32)
        if indexes and dice.random() < 0.3:
            # Neighbours: they part late, or at the last bit.
            index = (int.from_bytes(dice.choice(indexes), "big") ^ 1 << dice.randrange(256)).to_bytes(32, "big")
        indexes.append(index)
        value = dice.randbytes(32)
        assert tree.put(index, Leaf(value, number)) == made.put(index, value)
        assert tree.find(index) == Leaf(value, number)
        assert tree.find(dice.randbytes(32)) is None
    again = PrefixTree.load(tree.dump())
    assert again.root == tree.root
    assert all(again.find(index) == tree.find(index) for index in indexes)
    assert again.put(indexes[0], Leaf(EMPTY, 1)) == made.put(indexes[0], EMPTY)


def test_merkle_tree_goes_on_from_its_subtrees() -> None:
    hashes: list[bytes] = []
    tree = MerkleTree()
    for number in range(260):
        assert tree.root == merkle_root(hashes)
        entry = sha256(b"%d" % number)
        hashes.append(leaf_hash(entry))
        tree = MerkleTree(tree.size, tree.peaks)
        tree.append(entry)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 1025])
def test_tiles_give_the_roots_of_all_earlier_trees(size: int) -> None:
    log = MadeLog()
    log.entries = [sha256(b"%d" % number) for number in range(size)]
    hashes = [leaf_hash(entry) for entry in log.entries]
    tree = TileTree(Files(log.published(0)), size, merkle_root(hashes))
    for earlier in {0, 1, 2, 255, 256, 257, 512, 1000, size - 1, size}:
        if earlier <= size:
            assert tree.root(earlier) == merkle_root(hashes[:earlier])
    assert [tree.leaf(number) for number in range(0, size, 100)] == hashes[::100]


def test_every_flipped_byte_of_the_tiles_that_are_read_is_refused() -> None:
    log = MadeLog()
    log.entries = [sha256(b"%d" % number) for number in range(300)]
    files = log.published(0)
    hashes = [leaf_hash(entry) for entry in log.entries]
    for name, tile in files.items():
        if not name.startswith("tile/") or "entries" in name:
            continue
        for position in range(0, len(tile), 501):
            flipped = bytearray(tile)
            flipped[position] ^= 1
            with pytest.raises(FaultError):
                TileTree(Files(files | {name: bytes(flipped)}), 300, merkle_root(hashes)).leaf(0)


def test_bundle_that_ends_early_is_no_verdict() -> None:
    files = MadeLog().fill(3).published(0)
    for length in range(0, 3 * 144, 5):
        short = {"tile/entries/000.p/3": files["tile/entries/000.p/3"][:length]}
        with pytest.raises(NotServedError, match="fewer than 3 entries"):
            list(read_entries(Files(short), 0, 3))
