"""An operator's browser before the list of keys: pages of it, and its export."""

import http.client
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import NamedTuple
from urllib.parse import quote

from tests.support.servers import RunningServer
from tools.faults.many_keys import REVOKED_EVERY, id_of, key_of
from tools.faults.system import resident_bytes

LIST = "/admin/pkd/publickey/"
PER_PAGE = 100
CHUNK_BYTES = 1 << 20
PATIENCE_SECONDS = 300


class Page(NamedTuple):
    """A page of the list: what it is, where, what it shows, and whether it has to be fast."""

    what: str
    query: str
    shows: str
    has_goal: bool = True

    @property
    def path(self) -> str:
        """Return where it is."""
        return f"{LIST}?{self.query}"


class Export(NamedTuple):
    """An export: its lines, in how many seconds they came, and by how much the server grew meanwhile."""

    lines: int
    seconds: float
    grown_mib: float

    @property
    def rate(self) -> float:
        """Return how many keys came in a second."""
        return self.lines / self.seconds


def pages(size: int) -> Iterator[Page]:
    """Name the pages of a directory of so many keys."""
    # An odd one has its first key.
    some, last = size // 3 | 1, -(-size // PER_PAGE)
    fingerprint = key_of(some).fingerprint
    yield Page("The list", "", _link(size - 1))
    yield Page("Its last page", f"p={last}", _link(0))
    yield Page("A page in its middle", f"p={-(-last // 2)}", _link(size - PER_PAGE * -(-last // 2)), has_goal=False)
    yield Page("A search for a client ID", f"q={id_of(some)}", _link(some))
    yield Page("For one in other letters", f"q={id_of(some).upper()}", _link(some))
    yield Page("For a fingerprint", f"q={fingerprint}", _link(some))
    yield Page("For its first digits, in groups", f"q={quote(f'{fingerprint[:4]} {fingerprint[4:8]}')}", _link(some))
    yield Page("For the beginning that most client IDs have", f"q={id_of(0)[:3]}", _link(size - 1))
    yield Page("For the end of a client ID", f"q={id_of(some)[3:]}", _link(some), has_goal=False)
    yield Page("For what no client ID has", "q=nobody", "0 public keys", has_goal=False)
    yield Page("Revoked keys", "revoked=yes", _link((size - 1) // REVOKED_EVERY * REVOKED_EVERY))


def _link(number: int) -> str:
    """Return how a page of the list ends the link to a member."""
    return f">{id_of(number)}</a>"


class Desk:
    """A browser that is signed in."""

    def __init__(self, running: RunningServer, session: str) -> None:
        self._running = running
        # As the proxy says that ends TLS.
        self._headers = {"Cookie": f"__Host-sessionid={session}", "X-Forwarded-Proto": "https"}

    def open(self, path: str) -> str:
        """Return a page."""
        with self._asked(path) as answer:
            return answer.read().decode()

    def export(self, most_seconds: float) -> Export:
        """Read an export as it comes, to its end or for so long."""
        before = most = resident_bytes(self._running)
        begin, lines = time.perf_counter(), 0
        with self._asked(f"{LIST}export/jsonl/") as answer:
            while time.perf_counter() - begin < most_seconds and (chunk := answer.read1(CHUNK_BYTES)):
                lines += chunk.count(b"\n")
                most = max(most, resident_bytes(self._running))
        return Export(lines, time.perf_counter() - begin, (most - before) / 2**20)

    @contextmanager
    def _asked(self, path: str) -> Iterator[http.client.HTTPResponse]:
        connection = http.client.HTTPConnection(self._running.host, self._running.port, timeout=PATIENCE_SECONDS)
        with closing(connection):
            connection.request("GET", path, headers=self._headers)
            with connection.getresponse() as answer:
                if answer.status != http.HTTPStatus.OK:
                    raise RuntimeError(f"{path} was answered with {answer.status}.")
                yield answer
