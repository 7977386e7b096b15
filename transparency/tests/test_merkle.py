"""The Merkle tree: trees and proofs that others computed, and every tree of up to 40 leaves."""

import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.vectors import load
from transparency import merkle
from transparency.merkle import BadProofError, Node

VECTORS = load("merkle")
HASHES = [bytes.fromhex(text) for text in VECTORS["hashes"]]
# The eight entries, and the roots of the trees of 0 to 8 of them, with which Certificate Transparency is tested.
ENTRIES = [bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
ENTRIES.append(bytes(range(0x60, 0x70)))
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


class Tree:
    """A tree in memory, which keeps complete nodes."""

    def __init__(self, entries: Sequence[bytes]) -> None:
        self.nodes: dict[Node, bytes] = {}
        for number, entry in enumerate(entries):
            for level, found in enumerate(merkle.completed_by(number, merkle.leaf_hash(entry), self.read)):
                self.nodes[Node(level, number >> level)] = found

    def read(self, nodes: Sequence[Node]) -> list[bytes]:
        return [self.nodes[node] for node in nodes]


def test_roots_are_those_of_certificate_transparency() -> None:
    tree = Tree(ENTRIES)
    assert [merkle.root(size, tree.read).hex() for size in range(9)] == ROOTS
    # A node is complete with its last leaf.
    assert {node.last_leaf for node in tree.nodes if node.level == 1} == {1, 3, 5, 7}
    assert len(tree.nodes) == 8 + 4 + 2 + 1


def refused(verify: Any, *arguments: Any) -> bool:
    try:
        verify(*arguments)
    except BadProofError:
        return True
    return False


def test_inclusion_proofs_of_others_are_accepted_and_refused() -> None:
    cases = VECTORS["inclusion"]
    assert (len(cases), sum(case[-1] for case in cases)) == (98, 92)
    for name, number, size, leaf, path, root, is_wrong in cases:
        proof = [HASHES[at] for at in path]
        found = refused(merkle.verify_inclusion, number, size, HASHES[leaf], proof, HASHES[root])
        assert found == is_wrong, name


def test_consistency_proofs_of_others_are_accepted_and_refused() -> None:
    cases = VECTORS["consistency"]
    assert (len(cases), sum(case[-1] for case in cases)) == (98, 92)
    for name, before, size, path, first, second, is_wrong in cases:
        proof = [HASHES[at] for at in path]
        found = refused(merkle.verify_consistency, before, size, proof, HASHES[first], HASHES[second])
        assert found == is_wrong, name


def test_every_proof_of_small_trees_leads_to_their_roots() -> None:
    entries = [bytes([number]) for number in range(40)]
    tree = Tree(entries)
    roots = [merkle.root(size, tree.read) for size in range(41)]
    for size in range(1, 41):
        for number in range(size):
            path = merkle.inclusion(number, size, tree.read)
            merkle.verify_inclusion(number, size, merkle.leaf_hash(entries[number]), path, roots[size])
    for before, size in itertools.combinations_with_replacement(range(1, 41), 2):
        path = merkle.consistency(before, size, tree.read)
        merkle.verify_consistency(before, size, path, roots[before], roots[size])


def test_path_of_the_last_leaf_has_every_sibling_on_the_left() -> None:
    entries = [bytes([number]) for number in range(23)]
    tree = Tree(entries)
    found = merkle.leaf_hash(entries[-1])
    for sibling in merkle.inclusion(22, 23, tree.read):
        found = merkle.node_hash(sibling, found)
    assert found == merkle.root(23, tree.read)


def test_nodes_at_the_end_are_all_that_proofs_of_it_read() -> None:
    tree = Tree([bytes([number]) for number in range(40)])
    for before, size in itertools.product(range(42), range(41)):
        known = set(merkle.nodes_at_end(size, before))

        def read(nodes: Sequence[Node], known: set[Node] = known) -> list[bytes]:
            assert known.issuperset(nodes)
            return tree.read(nodes)

        merkle.root(size, read)
        merkle.consistency(before, size, read)
        if size:
            merkle.inclusion(size - 1, size, read)


@pytest.mark.parametrize("before", [0, 5, 6])
def test_nothing_leads_from_no_tree_nor_from_this_or_a_later_one(before: int) -> None:
    assert merkle.consistency(before, 5, Tree(ENTRIES).read) == []
