"""The rollback guard: the largest tree that was signed, kept outside the database (TRUST.md, "Limits and privacy").

A database that does not contain that tree was put back to an older copy. To sign another tree of its size would be a
second history: nothing is appended or signed, until there is a new log with new keys.
"""

import asyncio
import os
import tempfile
from pathlib import Path
from typing import NamedTuple, Protocol


class Tree(NamedTuple):
    """The size and the root of a tree of the log."""

    size: int
    root: bytes


class Store(Protocol):
    """Keeps the largest signed tree of each log, which its vkey names."""

    async def read(self, vkey: str) -> Tree | None:
        """Return the tree that is kept; None for a log of which nothing was signed."""

    async def keep(self, vkey: str, tree: Tree) -> None:
        """Keep a tree, unless a larger one is kept; return once it is safe."""


class FileStore:
    """Keeps the trees in a file: a line each, with the vkey, the size, and the root in hexadecimal digits."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._lock = asyncio.Lock()

    async def read(self, vkey: str) -> Tree | None:
        """See `Store.read`; raises `OSError`, for a damaged file as well."""
        return self._trees().get(vkey)

    async def keep(self, vkey: str, tree: Tree) -> None:
        """See `Store.keep`."""
        async with self._lock:
            trees = self._trees()
            kept = trees.get(vkey)
            if kept is None or kept.size < tree.size:
                await asyncio.to_thread(self._write, trees | {vkey: tree})

    def _trees(self) -> dict[str, Tree]:
        if self._path.exists() and not self._path.is_file():
            # To keep a tree would put a file in its place.
            raise OSError(f"The guard {self._path} is no file: set LOG_GUARD to the path of one.")
        try:
            words = [line.split() for line in self._path.read_text().splitlines()]
            return {vkey: Tree(int(size), bytes.fromhex(root)) for vkey, size, root in words}
        except FileNotFoundError:
            return {}
        except ValueError:
            raise OSError(
                f"The guard {self._path} is damaged, or is not the guard of a log: restore it, or begin a new log."
            ) from None

    def _write(self, trees: dict[str, Tree]) -> None:
        """Replace the file by a new one that is on the disk, so that a crash leaves the one or the other."""
        with tempfile.NamedTemporaryFile("w", dir=self._path.parent, prefix=self._path.name, delete=False) as file:
            file.writelines(f"{vkey} {size} {root.hex()}\n" for vkey, (size, root) in trees.items())
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(self._path)
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
