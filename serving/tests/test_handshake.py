"""Our reading of the usual opening handshake, held against the `websockets` library."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.http11 import Request
from websockets.server import ServerProtocol

from serving.handshake import MOST_BYTES, MOST_HEADERS, switching, usual_handshake
from serving.opening import END_OF_HEAD
from serving.tests.rig import HANDSHAKE

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
FIREFOX = HANDSHAKE.replace(b"Connection: Upgrade", b"Connection: keep-alive, Upgrade")
NGINX = HANDSHAKE.replace(b"Connection: Upgrade", b"Connection: upgrade")
LINES = HANDSHAKE.removesuffix(END_OF_HEAD).split(b"\r\n")


def with_lines(*lines: bytes) -> bytes:
    return b"\r\n".join([*LINES, *lines]) + END_OF_HEAD


def accepted_by_the_library(head: bytes) -> Request | None:
    """Return the request if the library accepts it."""
    protocol = ServerProtocol()
    protocol.receive_data(head)
    requests = [event for event in protocol.events_received() if isinstance(event, Request)]
    return requests[0] if requests and protocol.accept(requests[0]).status_code == 101 else None


@pytest.mark.parametrize("head", [HANDSHAKE, FIREFOX, NGINX, HANDSHAKE.replace(b"websocket", b"WebSocket")])
def test_handshakes_of_browsers_and_proxies_are_usual(head: bytes) -> None:
    assert usual_handshake(head) is not None
    assert accepted_by_the_library(head)


def test_handshake_is_read_with_its_headers_in_their_order() -> None:
    head = with_lines(b"Origin:https://app.example.org\t", b"X-Empty:", b"Cookie: a=b; c=d:e")
    handshake = usual_handshake(head.replace(b"/signal", b"/signal?a=%20b"))
    assert handshake is not None
    assert (handshake.target, handshake.key) == ("/signal?a=%20b", KEY)
    assert handshake.headers == [
        (b"host", b"localhost"),
        (b"upgrade", b"websocket"),
        (b"connection", b"Upgrade"),
        (b"sec-websocket-key", KEY),
        (b"sec-websocket-version", b"13"),
        (b"origin", b"https://app.example.org"),
        (b"x-empty", b""),
        (b"cookie", b"a=b; c=d:e"),
    ]


@pytest.mark.parametrize(
    "head",
    [
        HANDSHAKE[:-2],
        HANDSHAKE + b"x",
        HANDSHAKE.replace(b"\r\n", b"\n"),
        HANDSHAKE.replace(b"GET", b"POST"),
        HANDSHAKE.replace(b"/signal", b"http://localhost/signal"),
        HANDSHAKE.replace(b"/signal", b"/sig\xc3\xa9nal"),
        HANDSHAKE.replace(b"HTTP/1.1", b"HTTP/1.0"),
        HANDSHAKE.replace(b"Upgrade: websocket", b"Upgrade: h2c, websocket"),
        HANDSHAKE.replace(b"Upgrade: websocket", b"Upgrade: h2c"),
        HANDSHAKE.replace(b"Connection: Upgrade", b"Connection: close"),
        HANDSHAKE.replace(b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: 12"),
        HANDSHAKE.replace(KEY, KEY[1:]),
        HANDSHAKE.replace(KEY, KEY.replace(b"=", b"A")),
        HANDSHAKE.replace(KEY, KEY[1:] + b"="),
        HANDSHAKE.replace(KEY, KEY.replace(b"==", b"A=")),
        with_lines(b"Content-Length: 0"),
        with_lines(b"Transfer-Encoding: chunked"),
        with_lines(b"Sec-WebSocket-Version: 13"),
        with_lines(b"host: elsewhere"),
        with_lines(b"X-Forwarded_For: 203.0.113.9"),
        with_lines(b"X-Name: caf\xe9"),
        with_lines(b"X-Name: a\x00b"),
        with_lines(b"X-Name : a"),
        with_lines(b" folded"),
        with_lines(b"no colon"),
        with_lines(b": no name"),
        with_lines(b"X-Long: " + b"x" * MOST_BYTES),
        with_lines(*(b"X-%d: y" % number for number in range(MOST_HEADERS))),
    ],
)
def test_any_other_request_is_left_to_the_library(head: bytes) -> None:
    assert usual_handshake(head) is None


@given(
    place=st.integers(0, len(FIREFOX) - 1),
    cut=st.integers(0, 20),
    noise=st.binary(max_size=12) | st.sampled_from([*LINES, b"\r\n", b": ", b"\t", b"\r\nX-Name: value\r\n"]),
)
def test_what_is_usual_is_what_the_library_accepts(place: int, cut: int, noise: bytes) -> None:
    head = FIREFOX[:place] + noise + FIREFOX[place + cut :]
    handshake = usual_handshake(head)
    if handshake is not None:
        request = accepted_by_the_library(head)
        assert request is not None
        named = [(name.lower().encode(), value.encode()) for name, value in request.headers.raw_items()]
        assert (handshake.target, handshake.headers) == (request.path, named)
        assert handshake.key == request.headers["Sec-WebSocket-Key"].encode()


def test_answer_is_that_of_rfc_6455_with_what_the_application_adds() -> None:
    assert switching(KEY, None, ()) == (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    )
    answer = switching(KEY, "chat", [(b"x-name", b"value")])
    assert answer.endswith(b"\r\nSec-WebSocket-Protocol: chat\r\nx-name: value\r\n\r\n")
