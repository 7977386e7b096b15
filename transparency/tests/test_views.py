"""The log over HTTP: every byte that verifiers read, for how long it lasts, and what is not there."""

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client

from transparency import merkle, tiles
from transparency.entry import ENTRY_BYTES, Entry, Update
from transparency.keys import LogKeys
from transparency.models import Entry as Row
from transparency.models import Log
from transparency.stored import Nodes
from transparency.tests.logged import TRUST, accepts, keys

__all__ = ["keys"]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _no_tiles() -> Iterator[None]:
    tiles.forget()
    yield
    tiles.forget()


def get(name: str) -> Any:
    response = Client().get(f"/log/{name}")
    assert response.status_code == 200, name
    assert response["Access-Control-Allow-Origin"] == "*"
    return response


def filled(keys: LogKeys, count: int) -> list[bytes]:
    """Fill the log with so many entries of nobody's; returns their leaf hashes."""
    log, leaves, rows = Log.objects.create(vkey=keys.vkey), [], []
    nodes = Nodes(log.pk)
    for number in range(count):
        index = hashlib.sha256(number.to_bytes(4, "big")).digest()
        data = Entry(Update(1, 0, number, index, bytes(32), bytes(32)), bytes(32)).encoded
        leaves.append(merkle.leaf_hash(data))
        hashes = b"".join(merkle.completed_by(number, leaves[-1], nodes))
        nodes.note(number, hashes)
        rows.append(Row(log=log, number=number, index=index, seq=0, data=data, hashes=hashes))
    Row.objects.bulk_create(rows)
    return leaves


def hashes(tile: bytes) -> list[bytes]:
    return [tile[start : start + 32] for start in range(0, len(tile), 32)]


def fold(leaves: list[bytes]) -> bytes:
    """The root of a complete tree."""
    while len(leaves) > 1:
        leaves = [merkle.node_hash(*leaves[at : at + 2]) for at in range(0, len(leaves), 2)]
    return leaves[0]


def test_log_of_the_vectors(keys: LogKeys) -> None:
    for number in range(3):
        accepts(keys, number)
    assert get("key").content.decode() == TRUST["vkey"] + "\n"
    assert get("tile/0/000.p/3").content.hex() == "".join(TRUST["leafHashes"])
    bundle = get("tile/entries/000.p/3").content
    assert bundle.hex() == "".join(f"{ENTRY_BYTES:04x}{data}" for data in TRUST["entries"])
    # A verifier that saw an earlier checkpoint asks for less.
    assert get("tile/entries/000.p/1").content == bundle[: ENTRY_BYTES + 2]
    assert "immutable" in get("tile/0/000.p/2")["Cache-Control"]


def test_whole_tiles_and_what_is_above_them(keys: LogKeys) -> None:
    leaves = filled(keys, 600)
    assert get("tile/0/001").content == b"".join(leaves[256:512])
    tile = get("tile/1/000.p/2").content
    assert tile[:32] == merkle.root(256, Nodes(Log.objects.get().pk))
    assert tile == get("tile/1/000.p/1").content + tile[32:]
    # Of 600, from the tiles alone.
    rest = get("tile/0/002.p/88").content
    leaves = hashes(rest)
    peaks = [
        merkle.node_hash(*hashes(tile)),
        *(fold(leaves[start:end]) for start, end in ((0, 64), (64, 80), (80, 88))),
    ]
    root = peaks.pop()
    while peaks:
        root = merkle.node_hash(peaks.pop(), root)
    assert root == merkle.root(600, Nodes(Log.objects.get().pk))
    # The second time from memory.
    assert get("tile/entries/001").content == get("tile/entries/001").content
    assert len(get("tile/entries/001").content) == 256 * (ENTRY_BYTES + 2)


NOT_THERE = [
    *("", "tile", "tile/0/003", "tile/0/002", "tile/0/002.p/89", "tile/1/000", "tile/2/000.p/1", "tile/0/001.p/256"),
    *("tile/0/001.p/0", "tile/0/001.p/01", "tile/0/1", "tile/0/x001", "tile/0/x000/001", "tile/00/001", "tile/64/000"),
    *("tile/entries/002", "tile/entries/x999/x999/x999/x999/x999/x999/999", "tile/63/x001/000.p/1", "tile/0/001%0A"),
    *("checkpoint/", "tile/0/-01", "tile/0/001.p/1000", "tile/entries/000.p/"),
]


def test_what_is_not_there(keys: LogKeys) -> None:
    filled(keys, 600)
    for name in NOT_THERE:
        assert Client().get(f"/log/{name}").status_code == 404, name
    assert Client().post("/log/key").status_code == 405


def test_without_keys_there_is_no_log(keys: LogKeys, settings: LazySettings) -> None:
    accepts(keys, 0)
    settings.LOG_KEY = ""
    for name in ("checkpoint", "key", "tile/0/000.p/1"):
        assert Client().get(f"/log/{name}").status_code == 404, name
