"""The guard's file: the largest tree of each log, whole after any crash."""

from pathlib import Path

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
