"""The log's own hashes, read from tiles and held to a root that it signed.

A tile of level L has up to 256 hashes of complete subtrees of 256^L entries each. The tiles at the right edge give the
root; a full tile gives a hash in the tile above it. So every hash that is returned here is under the root.
"""

from collections.abc import Sequence

from auditor.errors import FaultError
from auditor.fetch import TILE_WIDTH, Source, read_hashes
from auditor.merkle import join, node_hash

TILE_HEIGHT = 8


class TileTree:
    """The tree of a checkpoint."""

    def __init__(self, source: Source, size: int, root: bytes) -> None:
        self._source = source
        self._size = size
        self._tiles: dict[tuple[int, int], list[bytes]] = {}
        if self.root(size) != root:
            raise FaultError("The tiles do not give the root of the checkpoint: the log contradicts itself.")

    def root(self, size: int) -> bytes:
        """Return the root of the first `size` entries."""
        peaks = []
        start = 0
        for height in range(size.bit_length() - 1, -1, -1):
            if size >> height & 1:
                peaks.append(self._subtree(height, start >> height))
                start += 1 << height
        return join(peaks)

    def leaf(self, number: int) -> bytes:
        """Return the leaf hash of an entry."""
        return self._subtree(0, number)

    def _subtree(self, height: int, number: int) -> bytes:
        """Return the hash of a complete subtree of 2^height entries."""
        level, above = divmod(height, TILE_HEIGHT)
        first = number << above
        tile = self._tile(level, first // TILE_WIDTH)
        return _fold(tile[first % TILE_WIDTH : first % TILE_WIDTH + (1 << above)])

    def _tile(self, level: int, number: int) -> list[bytes]:
        if (level, number) not in self._tiles:
            width = min(TILE_WIDTH, (self._size >> level * TILE_HEIGHT) - number * TILE_WIDTH)
            tile = read_hashes(self._source, level, number, width)
            if width == TILE_WIDTH and _fold(tile) != self._subtree((level + 1) * TILE_HEIGHT, number):
                raise FaultError(f"Tile {number} of level {level} does not give its hash in the tile above it.")
            self._tiles[level, number] = tile
        return self._tiles[level, number]


def _fold(hashes: Sequence[bytes]) -> bytes:
    """Return the hash over as many subtrees as a power of two."""
    while len(hashes) > 1:
        hashes = [node_hash(left, right) for left, right in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]
