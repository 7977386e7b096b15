"""The guard's file: the largest tree of each log, whole after any crash."""

import os
from pathlib import Path

import pytest

from transparency.guard import FileStore, Tree


def names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


async def test_file_keeps_the_largest_tree_of_each_log(tmp_path: Path) -> None:
    path = tmp_path / "guard"
    store = FileStore(path)
    assert await store.read("one") is None
    for size in (0, 2, 1):
        await store.keep("one", Tree(size, bytes([size]) * 32))
    await store.keep("other", Tree(7, bytes(32)))
    # As another process reads it.
    store = FileStore(path)
    assert (await store.read("one"), await store.read("other")) == (Tree(2, b"\2" * 32), Tree(7, bytes(32)))
    # A smaller one writes nothing, and nothing else is left beside it.
    assert names(tmp_path) == ["guard"]


@pytest.mark.parametrize("content", [b"garbage\n", b"\xff\xfe", b"log x 00\n", b"log 1 zz\n", b"log 1 00 more\n"])
async def test_file_that_is_damaged_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "guard"
    path.write_bytes(content)
    with pytest.raises(OSError, match=rf"^The guard {path} is damaged, "):
        await FileStore(path).read("log")


async def test_what_is_no_file_is_refused_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (tmp_path, pipe):
        with pytest.raises(OSError, match=rf"^The guard {path} is no file: "):
            await FileStore(path).keep("log", Tree(1, bytes(32)))
    assert pipe.is_fifo()
