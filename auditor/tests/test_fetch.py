"""A log's files over HTTP from servers that are busy, ill, or none."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from auditor.errors import NotServedError
from auditor.fetch import LONGEST_WAIT_SECONDS, MOST_BYTES, HttpSource, tile_path

POLL_SECONDS = 0.01


@contextmanager
def answering(*answers: tuple[int, str, bytes]) -> Iterator[tuple[HttpSource, list[float]]]:
    """Answer one request after the other; yields a source, and the seconds for which it waits."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, wait, body = left.pop(0)
            if status == 0:
                return
            self.send_response(status)
            if wait:
                self.send_header("Retry-After", wait)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server names it
            """Keep quiet."""

    waits: list[float] = []
    with HTTPServer(("127.0.0.1", 0), Handler) as web:
        thread = Thread(target=web.serve_forever, args=[POLL_SECONDS])
        thread.start()
        source = HttpSource(f"http://127.0.0.1:{web.server_address[1]}/log", waits.append)
        try:
            yield source, waits
        finally:
            source.close()
            web.shutdown()
            thread.join()


def test_busy_server_is_asked_again_when_it_says() -> None:
    with answering((429, "7", b""), (503, "soon", b""), (0, "", b""), (200, "", b"it")) as (source, waits):
        assert source.read("checkpoint") == b"it"
    assert waits == [7, 2, 4]


def test_server_that_stays_ill_is_named_and_not_waited_for_in_vain() -> None:
    said = r"^checkpoint cannot be fetched: the server answers 500\.$"
    with answering(*[(500, "100000", b"")] * 4) as (source, waits), pytest.raises(NotServedError, match=said):
        source.read("checkpoint")
    assert waits == [LONGEST_WAIT_SECONDS] * 3


@pytest.mark.parametrize("status", [301, 401, 403])
def test_other_answers_are_told_at_once(status: int) -> None:
    said = f"the server answers {status}"
    with answering((status, "", b"")) as (source, waits), pytest.raises(NotServedError, match=said):
        source.read("checkpoint")
    assert waits == []


def test_file_that_is_gone_is_none_and_one_that_is_endless_is_refused() -> None:
    with answering((404, "", b""), (410, "", b""), (200, "", bytes(MOST_BYTES + 1))) as (source, _):
        assert [source.read("tile/0/000"), source.read("tile/0/000")] == [None, None]
        with pytest.raises(NotServedError, match="longer than any file"):
            source.read("checkpoint")


@pytest.mark.parametrize(
    "url", ["calls.example.org/log", "file:///log", "https://", "https://calls.example.org/log?a=b"]
)
def test_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="no address of a log"):
        HttpSource(url)


def test_paths_of_tiles_are_those_of_the_specification() -> None:
    assert tile_path("0", 0, 256) == "tile/0/000"
    assert tile_path("entries", 1234067, 1) == "tile/entries/x001/x234/067.p/1"
    assert tile_path("1", 1000, 8) == "tile/1/x001/000.p/8"
