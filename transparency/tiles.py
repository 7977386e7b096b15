"""Tiles of the log (C2SP tlog-tiles): 256 hashes of one level, or 256 entries, or as many as there are.

Whole tiles never change: those that were read last are kept in memory.
"""

from collections import OrderedDict
from threading import Lock
from typing import NamedTuple

from django.db.models import QuerySet

from transparency.merkle import HASH_BYTES, Node
from transparency.models import Entry, Log

WIDTH = 256
HEIGHT = 8
# Of 8 KiB, or of 36.
KEPT_TILES = 128
LARGEST_NUMBER = 2**63 - 1


class Tile(NamedTuple):
    """A tile of a log: of entries where `level` is None, else of hashes; `width` is how much of it there is."""

    vkey: str
    level: int | None
    number: int
    width: int = WIDTH


_kept: OrderedDict[Tile, bytes] = OrderedDict()
_lock = Lock()


def read(tile: Tile) -> bytes | None:
    """Return a tile; None where there is not so much of it."""
    with _lock:
        if tile in _kept:
            _kept.move_to_end(tile)
            return _kept[tile]
    parts = _entries(tile) if tile.level is None else _hashes(tile, tile.level)
    if len(parts) < tile.width:
        return None
    data = b"".join(parts)
    if tile.width == WIDTH:
        with _lock:
            _kept[tile] = data
            if len(_kept) > KEPT_TILES:
                _kept.popitem(last=False)
    return data


def forget() -> None:
    """Forget the tiles in memory."""
    with _lock:
        _kept.clear()


def _hashes(tile: Tile, level: int) -> list[bytes]:
    nodes = [Node(level * HEIGHT, tile.number * WIDTH + place) for place in range(tile.width)]
    if nodes[-1].last_leaf > LARGEST_NUMBER:
        return []
    start = level * HEIGHT * HASH_BYTES
    rows = _entries_of(tile).filter(number__in=[node.last_leaf for node in nodes]).order_by("number")
    return [bytes(hashes)[start : start + HASH_BYTES] for hashes in rows.values_list("hashes", flat=True)]


def _entries(tile: Tile) -> list[bytes]:
    """Return the entries, each behind its length in two bytes."""
    first = tile.number * WIDTH
    if first + tile.width > LARGEST_NUMBER:
        return []
    rows = _entries_of(tile).filter(number__gte=first, number__lt=first + tile.width)
    data = [bytes(data) for data in rows.order_by("number").values_list("data", flat=True)]
    return [len(entry).to_bytes(2, "big") + entry for entry in data]


def _entries_of(tile: Tile) -> QuerySet[Entry]:
    """Return the entries of a tile's log, found by its primary key, which their indexes begin with."""
    return Entry.objects.filter(log=Log.objects.filter(vkey=tile.vkey).values("pk")[:1])
