"""The log's files over HTTP: checkpoint, tiles, and entries in bundles (C2SP tlog-tiles)."""

import http.client
import time
import urllib.parse
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from http import HTTPStatus
from itertools import islice
from typing import NamedTuple, Protocol

from auditor.errors import NotServedError
from auditor.merkle import EMPTY_ROOT

TILE_WIDTH = 256
HASH_BYTES = len(EMPTY_ROOT)
LENGTH_BYTES = 2
TIMEOUT_SECONDS = 20
ATTEMPTS = 4
LONGEST_WAIT_SECONDS = 60
MOST_BYTES = 1 << 20
MISSING = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
# No answer, or one that may be another in a moment.
PASSING = {0, HTTPStatus.TOO_MANY_REQUESTS, *range(500, 600)}
# Bundles that are on their way while one is replayed.
AHEAD = 8
THREADS = 4


class Source(Protocol):
    """Where a log's files come from."""

    def read(self, path: str) -> bytes | None:
        """Return a file, None if there is none; raises `NotServedError` if nobody can say."""


class HttpSource:
    """A log below a URL; connections are kept for the next request until `close`."""

    def __init__(self, url: str, sleep: Callable[[float], None] = time.sleep) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"{url} is no address of a log; it looks like https://calls.example.org/log")
        self._host, self._port, self._path = parts.hostname, parts.port, parts.path.rstrip("/")
        self._type = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._sleep = sleep
        self._idle: deque[http.client.HTTPConnection] = deque()

    def read(self, path: str) -> bytes | None:
        """Fetch a file, again if the server asks for patience or the connection ends."""
        reason = ""
        for attempt in range(ATTEMPTS):
            answer = self._ask(f"{self._path}/{path}")
            if answer.status == HTTPStatus.OK:
                return answer.data
            if answer.status in MISSING:
                return None
            reason = answer.reason or f"the server answers {answer.status}"
            if answer.status not in PASSING:
                break
            if attempt + 1 < ATTEMPTS:
                self._sleep(min(answer.wait or 2**attempt, LONGEST_WAIT_SECONDS))
        raise NotServedError(f"{path} cannot be fetched: {reason}.")

    def close(self) -> None:
        """Close the connections that wait for a request."""
        while self._idle:
            self._idle.pop().close()

    def _ask(self, target: str) -> "Answer":
        """Make one request; an answer without a status is none."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._type(self._host, self._port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("GET", target, headers={"User-Agent": "securecall-auditor"})
            with connection.getresponse() as response:
                data = response.read(MOST_BYTES + 1)
                wait = response.headers.get("Retry-After", "")
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return Answer(0, b"", 0, str(error) or type(error).__name__)
        if len(data) > MOST_BYTES:
            connection.close()
            raise NotServedError(f"{target} is longer than any file of a log.")
        self._idle.append(connection)
        return Answer(response.status, data, int(wait) if wait.isdecimal() else 0, "")


class Answer(NamedTuple):
    """What a server answered: the seconds that it asks to wait, and the reason why there is no status."""

    status: int
    data: bytes
    wait: int
    reason: str


def tile_path(kind: str, number: int, width: int) -> str:
    """Return the path of a tile: the number in groups of three digits, and how much of it there is."""
    groups = [f"{number % 1000:03}"]
    while number := number // 1000:
        groups.insert(0, f"x{number % 1000:03}")
    partial = "" if width == TILE_WIDTH else f".p/{width}"
    return f"tile/{kind}/{'/'.join(groups)}{partial}"


def read_tile(source: Source, kind: str, number: int, width: int) -> bytes:
    """Fetch a tile; one that has grown since is served full, and the partial one may be gone."""
    data = source.read(tile_path(kind, number, width))
    if data is None and width < TILE_WIDTH:
        data = source.read(tile_path(kind, number, TILE_WIDTH))
    if data is None:
        raise NotServedError(f"{tile_path(kind, number, width)} is missing, and the checkpoint says that it is there.")
    return data


def read_hashes(source: Source, level: int, number: int, width: int) -> list[bytes]:
    """Fetch the hashes of a tile."""
    data = read_tile(source, str(level), number, width)
    if len(data) < width * HASH_BYTES:
        raise NotServedError(f"{tile_path(str(level), number, width)} is too short.")
    return [data[start : start + HASH_BYTES] for start in range(0, width * HASH_BYTES, HASH_BYTES)]


def read_entries(source: Source, start: int, end: int) -> Iterator[bytes]:
    """Yield the entries from `start` to before `end`, fetching bundles ahead."""
    numbers = iter(range(start // TILE_WIDTH, -(-end // TILE_WIDTH)))
    with ThreadPoolExecutor(THREADS) as threads:

        def fetch(number: int) -> Future[list[bytes]]:
            return threads.submit(_bundle, source, number, min(TILE_WIDTH, end - number * TILE_WIDTH))

        waiting = [fetch(number) for number in islice(numbers, AHEAD)]
        skipped = start % TILE_WIDTH
        try:
            while waiting:
                entries = waiting.pop(0).result()
                waiting.extend(fetch(number) for number in islice(numbers, 1))
                yield from entries[skipped:]
                skipped = 0
        finally:
            threads.shutdown(wait=False, cancel_futures=True)


def _bundle(source: Source, number: int, width: int) -> list[bytes]:
    """Fetch a bundle and split it; each entry stands behind its length."""
    data = read_tile(source, "entries", number, width)
    entries = []
    position = 0
    for _ in range(width):
        length = int.from_bytes(data[position : position + LENGTH_BYTES], "big")
        entry = data[position + LENGTH_BYTES : position + LENGTH_BYTES + length]
        if not length or len(entry) != length:
            raise NotServedError(f"{tile_path('entries', number, width)} has fewer than {width} entries.")
        entries.append(entry)
        position += LENGTH_BYTES + length
    return entries
