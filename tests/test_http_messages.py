"""HTTP that a proxy and the server could read differently, or that a probe could learn from, byte by byte over TCP."""

import socket
from contextlib import closing, suppress

import pytest

from tests.conftest import Start
from tests.support.servers import RunningServer

SECOND_REQUEST = "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
SMUGGLED = {
    "a length and chunks": f"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SECOND_REQUEST}",
    "chunks and a length": f"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{SECOND_REQUEST}",
    "two lengths": f"Content-Length: 0\r\nContent-Length: 44\r\n\r\n{SECOND_REQUEST}",
    "a length that is no number": f"Content-Length: +0\r\n\r\n{SECOND_REQUEST}",
    "an unknown coding": f"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{SECOND_REQUEST}",
    "a chunk's length that is no number": f"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n{SECOND_REQUEST}",
}


@pytest.fixture
def running(start: Start) -> RunningServer:
    return start("ours", "memory", 0)


def exchange(running: RunningServer, request: str) -> bytes:
    """All that the server says until it closes the connection."""
    with closing(socket.create_connection((running.host, running.port), 5)) as connection:
        connection.sendall(request.encode())
        answer = b""
        while part := connection.recv(65_536):
            answer += part
    return answer


@pytest.mark.parametrize("end", SMUGGLED.values(), ids=SMUGGLED)
def test_request_whose_end_is_doubtful_is_refused_with_all_behind_it(running: RunningServer, end: str) -> None:
    answer = exchange(running, f"POST /api/turn-credentials/ HTTP/1.1\r\nHost: 127.0.0.1\r\n{end}")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1


def test_header_line_without_end_is_cut_off(running: RunningServer) -> None:
    assert exchange(running, f"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: {'x' * 17_000}") == b""


BODY_CAP_BYTES = 32 * 1024 * 1024
HEAD = "POST /api/turn-credentials/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-Proto: https\r\n"
# Two lines around each chunk of this many bytes, in hexadecimal.
CHUNK = f"{2**20:x}\r\n{'x' * 2**20}\r\n"


def test_body_that_is_too_long_is_refused_unread(running: RunningServer) -> None:
    answer = exchange(running, f"{HEAD}Content-Length: {BODY_CAP_BYTES + 1}\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_body_without_end_is_cut_off(running: RunningServer) -> None:
    with closing(socket.create_connection((running.host, running.port), 5)) as connection:
        connection.sendall(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
        sent = 0
        with suppress(ConnectionError):
            while sent < 4 * BODY_CAP_BYTES:
                connection.sendall(CHUNK.encode())
                sent += 2**20
    # What lies in the sockets' buffers was sent as well.
    assert BODY_CAP_BYTES - 2**20 <= sent <= 2 * BODY_CAP_BYTES


def test_body_of_the_cap_is_read(running: RunningServer) -> None:
    body = "x" * BODY_CAP_BYTES
    answer = exchange(running, f"{HEAD}Content-Length: {BODY_CAP_BYTES}\r\nConnection: close\r\n\r\n{body}")
    assert answer.startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("method", ["TRACE", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_method_that_nobody_asked_for_is_refused(running: RunningServer, method: str) -> None:
    answer = exchange(running, f"{method} /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    assert answer.split(b" ", 2)[1] in {b"403", b"405"}


@pytest.mark.parametrize("method", ["POST", "PUT", "TRACE"])
def test_opening_handshake_is_a_get(running: RunningServer, method: str) -> None:
    answer = exchange(
        running,
        f"{method} /signal HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    )
    assert answer.startswith(b"HTTP/1.1 405 ")


def test_http_2_is_not_spoken(running: RunningServer) -> None:
    assert exchange(running, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_page_of_an_error_tells_nothing(running: RunningServer) -> None:
    status, page = running.get("/no/such/page", {"X-Forwarded-Proto": "https"})
    assert status == 404
    for word in ("Traceback", "settings", "urlpatterns", "no/such", "Django"):
        assert word not in page
