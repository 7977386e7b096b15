"""A public log that is made here from TRUST.md, without the server and without the auditor's trees.

It lies when it is told to: entries can be taken out, exchanged, hidden, before it is published as the files that a
server would serve.
"""

import base64
import hashlib
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.vectors import load

VECTORS = load("trust")
DIRECTORY = "calls.example.org"
VRF_KEY = "e0_t1D0NBN1NCbCgYcVU1374Tunwgya6YG3uUI6kpk8"
ORIGIN = f"{DIRECTORY}/{VRF_KEY}"
LOG_KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"log key").digest())
BEGINNING = 1_790_000_000_000
TILE_WIDTH = 256
UPDATE_BYTES = 110
EMPTY = bytes(32)
POLL_SECONDS = 0.01


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def key_id(kind: int, key: Ed25519PrivateKey = LOG_KEY, name: str = ORIGIN) -> bytes:
    return sha256(name.encode(), b"\n", bytes([kind]), key.public_key().public_bytes_raw())[:4]


def vkey(key: Ed25519PrivateKey = LOG_KEY, name: str = ORIGIN) -> str:
    data = base64.b64encode(b"\x01" + key.public_key().public_bytes_raw()).decode()
    return f"{name}+{key_id(1, key, name).hex()}+{data}"


class MadeTree:
    """A prefix tree whose nodes are named by the bits that lead to them, behind a one."""

    def __init__(self) -> None:
        self.hashes: dict[int, bytes] = {}
        self.leaves: dict[int, int] = {}
        self.values: dict[int, bytes] = {}

    def put(self, index: bytes, value: bytes) -> bytes:
        bits = int.from_bytes(index, "big")
        depth = 0
        while (name := self._name(bits, depth)) in self.hashes and name not in self.leaves:
            depth += 1
        if (met := self.leaves.get(name, bits)) != bits:
            del self.leaves[name]
            above = self.hashes[name]
            while self._name(bits, depth) == self._name(met, depth):
                depth += 1
            for level in range(depth + 1):
                self.hashes.setdefault(self._name(met, level), EMPTY)
            self.leaves[self._name(met, depth)] = met
            self.hashes[self._name(met, depth)] = above
        name = self._name(bits, depth)
        self.leaves[name], self.values[bits] = bits, value
        self.hashes[name] = sha256(b"\x02", index, value)
        while name > 1:
            left, right = name & ~1, name | 1
            self.hashes[name >> 1] = sha256(b"\x03", self.hashes.get(left, EMPTY), self.hashes.get(right, EMPTY))
            name >>= 1
        return self.hashes[1]

    def path(self, index: bytes) -> tuple[list[bytes], bytes | None]:
        """Return the siblings on the way to an index, the root's first, and index and value of the leaf there."""
        bits = int.from_bytes(index, "big")
        siblings: list[bytes] = []
        while (name := self._name(bits, len(siblings))) in self.hashes and name not in self.leaves:
            siblings.append(self.hashes.get(self._name(bits, len(siblings) + 1) ^ 1, EMPTY))
        met = self.leaves.get(name)
        return siblings, None if met is None else met.to_bytes(32, "big") + self.values[met]

    @staticmethod
    def _name(bits: int, depth: int) -> int:
        return 1 << depth | bits >> 256 - depth


class MadeLog:
    """A log, entry by entry; `index` and `statement` of an entry are SHA-256 of any text."""

    def __init__(self, key: Ed25519PrivateKey = LOG_KEY) -> None:
        self.key = key
        self.entries: list[bytes] = []
        self.tree = MadeTree()
        self.last: dict[bytes, tuple[int, bytes]] = {}

    def append(self, name: str, statement: str = "", *, kind: int = 1, at: int | None = None) -> None:
        """Append what an honest log would."""
        number = len(self.entries)
        index = sha256(name.encode())
        seq, before = self.last.get(index, (-1, EMPTY))
        self.write(index, sha256(f"{statement or number}".encode()), (kind, seq + 1, at or BEGINNING + number), before)

    def write(self, index: bytes, statement: bytes, numbers: tuple[int, int, int], before: bytes) -> None:
        """Append any entry, under the prefix root that follows from it."""
        update = struct.pack(">BBIQ", 1, *numbers) + index + before + statement
        self.last[index] = numbers[1], sha256(update)
        self.entries.append(update + self.tree.put(index, sha256(update)))

    def fill(self, size: int) -> "MadeLog":
        """Append honest entries up to a size; every third changes what is there."""
        for number in range(len(self.entries), size):
            self.append(f"client {number // 3 if number % 3 == 2 else number}")
        return self

    def published(self, now: float, size: int | None = None) -> dict[str, bytes]:
        """Return every file of the log at a size: the newest partial tiles, and all full ones."""
        size = len(self.entries) if size is None else size
        entries = self.entries[:size]
        hashes = [sha256(b"\x00", entry) for entry in entries]
        files = {"key": f"{vkey(self.key)}\n".encode(), "checkpoint": self.checkpoint(now, size).encode()}
        for number in range(0, size, TILE_WIDTH):
            bundle = entries[number : number + TILE_WIDTH]
            data = b"".join(len(entry).to_bytes(2, "big") + entry for entry in bundle)
            files[tile_path("entries", number // TILE_WIDTH, len(bundle))] = data
        level = 0
        while hashes:
            for number in range(0, len(hashes), TILE_WIDTH):
                tile = hashes[number : number + TILE_WIDTH]
                files[tile_path(str(level), number // TILE_WIDTH, len(tile))] = b"".join(tile)
            full = range(0, len(hashes) - TILE_WIDTH + 1, TILE_WIDTH)
            hashes = [merkle_root(hashes[number : number + TILE_WIDTH]) for number in full]
            level += 1
        return files

    def checkpoint(self, now: float, size: int) -> str:
        root = merkle_root([sha256(b"\x00", entry) for entry in self.entries[:size]])
        return signed(f"{ORIGIN}\n{size}\n{base64.b64encode(root).decode()}\n", int(now), self.key)


def signed(text: str, now: int, key: Ed25519PrivateKey = LOG_KEY) -> str:
    """Sign a checkpoint's text as a log does, in two lines."""
    plain = key_id(1, key) + key.sign(text.encode())
    timed = key_id(4, key) + now.to_bytes(8, "big") + key.sign(f"cosignature/v1\ntime {now}\n{text}".encode())
    lines = [f"— {ORIGIN} {base64.b64encode(data).decode()}\n" for data in (plain, timed)]
    return f"{text}\n{''.join(lines)}"


def merkle_root(hashes: list[bytes]) -> bytes:
    """Return the root over leaf hashes (RFC 6962, 2.1), level by level: a last one alone goes up as it is."""
    if not hashes:
        return sha256()
    while len(hashes) > 1:
        pairs = [sha256(b"\x01", left, right) for left, right in zip(hashes[::2], hashes[1::2], strict=False)]
        hashes = pairs + hashes[2 * len(pairs) :]
    return hashes[0]


def tile_path(kind: str, number: int, width: int) -> str:
    digits = f"{number:03}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[start : start + 3] for start in range(0, len(digits), 3)]
    name = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    return f"tile/{kind}/{name}" + ("" if width == TILE_WIDTH else f".p/{width}")


def save(files: dict[str, bytes], directory: Path) -> None:
    """Write files below a directory, for programs that read one."""
    for name, data in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[str]:
    """Serve files, as they are at each request, below a URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body leave together

        def do_GET(self) -> None:
            data = files.get(self.path.removeprefix("/log/"))
            self.send_response(404 if data is None else 200)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server names it
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        web.daemon_threads = True
        thread = Thread(target=web.serve_forever, args=[POLL_SECONDS])
        thread.start()
        try:
            yield f"http://127.0.0.1:{web.server_address[1]}/log"
        finally:
            web.shutdown()
            thread.join()
