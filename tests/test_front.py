"""The first request of a connection, and those after it: byte by byte, and behind real proxies."""

import asyncio
import json
import os
import resource
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from tests.support.client import Client
from tests.support.servers import RunningServer, eventually, server
from tests.support.services.edges import RECIPES, Edge, edge
from tests.support.services.process import NotInstalledError, skip_or_fail

KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
VERSION = "Sec-WebSocket-Version: 13\r\n"
UPGRADE = "Upgrade: websocket\r\nConnection: Upgrade\r\n"
END = "\r\n"
# Less than the server waits for a head.
PATIENCE_SECONDS = 8
# RFC 6455, section 1.3
ACCEPT = b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def head(*lines: str, path: str = "/signal", method: str = "GET", version: str = "1.1") -> bytes:
    return f"{method} {path} HTTP/{version}\r\nHost: 127.0.0.1\r\n{''.join(lines)}\r\n".encode()


HANDSHAKE = head(UPGRADE, VERSION, KEY)


@pytest.fixture(scope="module")
def running() -> Iterator[RunningServer]:
    limits = ("LIMIT_NEW_CONNECTIONS_PER_IP_PER_MINUTE", "LIMIT_HTTP_REQUESTS_PER_IP_PER_MINUTE")
    with server(env=dict.fromkeys(limits, "0")) as started:
        yield started
        assert "Traceback" not in started.log
        assert '"level": "ERROR"' not in started.log


def connected(running: RunningServer) -> socket.socket:
    return socket.create_connection((running.host, running.port), 20)


def hears(client: socket.socket, words: bytes) -> bytes:
    """Read until these words have come."""
    came = b""
    while words not in came:
        part = client.recv(65_536)
        assert part, came
        came += part
    return came


def answer_to(running: RunningServer, request: bytes) -> bytes:
    """Send a request; returns all that the server says until it closes the connection."""
    with closing(connected(running)) as client:
        client.sendall(request)
        answer = b""
        while part := client.recv(65_536):
            answer += part
        return answer


def speaks(client: socket.socket) -> None:
    """Exchange a heartbeat on an open WebSocket."""
    # Its mask is four zeros.
    text = b'{"type":"HEARTBEAT"}'
    client.sendall(bytes((0x81, 0x80 + len(text))) + bytes(4) + text)
    hears(client, b'"HEARTBEAT_ACK"')


# --- The opening handshake ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 100])
def test_handshake_may_come_in_pieces(running: RunningServer, size: int) -> None:
    with closing(connected(running)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for place in range(0, len(HANDSHAKE), size):
            client.sendall(HANDSHAKE[place : place + size])
            time.sleep(0.001)
        assert ACCEPT in hears(client, b"\r\n\r\n")
        speaks(client)


def test_server_idles_while_a_head_is_incomplete(running: RunningServer) -> None:
    with closing(connected(running)) as client:
        client.sendall(HANDSHAKE[:-10])
        before = processor_seconds(running)
        time.sleep(1)
        assert processor_seconds(running) - before < 0.3
        client.sendall(HANDSHAKE[-10:])
        hears(client, ACCEPT)


def test_tls_is_answered_at_once(running: RunningServer) -> None:
    client = ssl.create_default_context()
    begin = time.monotonic()
    with connected(running) as plain, pytest.raises(ssl.SSLError):
        client.wrap_socket(plain, server_hostname="127.0.0.1")
    assert time.monotonic() - begin < PATIENCE_SECONDS
    with connected(running) as plain:
        plain.sendall(b"\x16\x03\x01\x02\x00\x01")
        answer = hears(plain, b"TLS is not spoken on this port")
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_frames_may_come_with_the_handshake(running: RunningServer) -> None:
    text = b'{"type":"HEARTBEAT"}'
    with closing(connected(running)) as client:
        client.sendall(HANDSHAKE + bytes((0x81, 0x80 + len(text))) + bytes(4) + text)
        hears(client, b'"HEARTBEAT_ACK"')


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param("Upgrade: h2c, websocket\r\nConnection: Upgrade, HTTP2-Settings\r\n", id="two protocols"),
        pytest.param(
            "Upgrade: h2c\r\nUpgrade: WebSocket\r\nConnection: keep-alive\r\nConnection: upgrade\r\n", id="two lines"
        ),
        pytest.param(f"{UPGRADE}Sec-WebSocket-Extensions: permessage-deflate\r\n", id="an extension"),
        pytest.param(f"{UPGRADE}Sec-WebSocket-Protocol: one, two\r\n", id="protocols"),
        pytest.param(f"{UPGRADE}Daphne-Root-Path: /elsewhere\r\n", id="a root path"),
        pytest.param(f"{UPGRADE}Daphne-Root-Path: \xe9\r\n", id="a root path that is no ASCII"),
    ],
)
@pytest.mark.parametrize("path", ["/signal", "/signal/", "/signal?a=b"])
def test_handshake_that_offers_more_is_accepted(running: RunningServer, lines: str, path: str) -> None:
    with closing(connected(running)) as client:
        client.sendall(head(lines, VERSION, KEY, path=path))
        told = hears(client, b"\r\n\r\n")
        assert told.startswith(b"HTTP/1.1 101 ")
        assert b"Sec-WebSocket-Extensions" not in told
        speaks(client)


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        pytest.param(head(), 426, id="a plain GET"),
        pytest.param(head(path="/signal/"), 426, id="a plain GET with a slash"),
        pytest.param(head(VERSION, KEY), 426, id="no upgrade"),
        pytest.param(head("Upgrade: websocket\r\n", VERSION, KEY), 426, id="no connection"),
        pytest.param(head(UPGRADE, VERSION), 400, id="no key"),
        pytest.param(head(UPGRADE, VERSION, KEY, KEY), 400, id="two keys"),
        pytest.param(head(UPGRADE, VERSION, "Sec-WebSocket-Key: short\r\n"), 400, id="a short key"),
        pytest.param(head(UPGRADE, KEY), 400, id="no version"),
        pytest.param(head(UPGRADE, KEY, "Sec-WebSocket-Version: 8\r\n"), 400, id="another version"),
        pytest.param(head(UPGRADE, VERSION, KEY, "Content-Length: 4\r\n") + b"body", 400, id="a body"),
        pytest.param(head(UPGRADE, VERSION, KEY, "Transfer-Encoding: chunked\r\n"), 400, id="chunks"),
        pytest.param(head(UPGRADE, VERSION, KEY, "no colon\r\n"), 400, id="a line that is no header"),
        pytest.param(head(UPGRADE, VERSION, KEY, "\x00: x\r\n"), 400, id="a name that is none"),
        pytest.param(head(UPGRADE, VERSION, KEY, method="POST"), 405, id="another method"),
        pytest.param(head(UPGRADE, VERSION, KEY, version="1.0"), 505, id="an older HTTP"),
    ],
)
def test_handshake_that_is_not_valid_is_refused_with_a_sentence(
    running: RunningServer, request_head: bytes, status: int
) -> None:
    told = answer_to(running, request_head)
    answer, _, body = told.partition(b"\r\n\r\n")
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"Content-Type: text/plain" in answer
    assert b"<" not in body
    assert body.endswith(b".\n")
    assert len(body.split()) > 3


def test_another_version_is_told_the_one_that_there_is(running: RunningServer) -> None:
    assert b"\r\nSec-WebSocket-Version: 13\r\n" in answer_to(
        running, head(UPGRADE, KEY, "Sec-WebSocket-Version: 8\r\n")
    )


def test_other_path_is_refused_with_a_sentence(running: RunningServer) -> None:
    told = answer_to(running, head(UPGRADE, VERSION, KEY, path="/elsewhere"))
    assert told.startswith(b"HTTP/1.1 403 ")
    assert b"Content-Type: text/plain" in told


def test_root_path_from_outside_means_nothing_to_http(running: RunningServer) -> None:
    for value in ("/elsewhere", "\xe9", "%ff"):
        told = answer_to(running, head(f"Daphne-Root-Path: {value}\r\nConnection: close\r\n", path="/health"))
        assert told.startswith(b"HTTP/1.1 200 ")


def test_plain_http_that_speaks_of_websockets_is_plain_http(running: RunningServer) -> None:
    told = answer_to(running, head("X-Note: websocket\r\nConnection: close\r\n", path="/health"))
    assert told.startswith(b"HTTP/1.1 200 ")
    told = answer_to(running, head("Upgrade: h2c\r\nConnection: close\r\n", path="/health"))
    assert told.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("host", ["127.0.0.1", "LOCALHOST:8000"])
def test_target_may_name_its_host(running: RunningServer, host: str) -> None:
    close = "Connection: close\r\n"
    for path in (f"http://{host}/health", f"HTTP://{host}/health?"):
        assert answer_to(running, head(close, path=path)).startswith(b"HTTP/1.1 200 ")
    assert f"Location: https://{host}/\r\n".encode() in answer_to(running, head(close, path=f"http://{host}"))
    with closing(connected(running)) as client:
        client.sendall(head(path=f"http://{host}/health"))
        hears(client, b'{"status":"ok"}')
        for path in (f"http://{host}/signal", f"ws://{host}/signal?room=1"):
            with closing(connected(running)) as first:
                first.sendall(head(UPGRADE, VERSION, KEY, path=path))
                assert ACCEPT in hears(first, b"\r\n\r\n")
                speaks(first)
        client.sendall(head(UPGRADE, VERSION, KEY, path=f"http://{host}/signal"))
        assert ACCEPT in hears(client, b"\r\n\r\n")
        speaks(client)


def test_host_in_the_target_counts_and_not_the_header(running: RunningServer) -> None:
    for path, status in (("health", 200), ("demo/", 400)):
        told = answer_to(running, head("Connection: close\r\n", path=f"http://elsewhere.example/{path}"))
        assert told.startswith(f"HTTP/1.1 {status} ".encode())
    origin = "Origin: http://elsewhere.example\r\n"
    assert answer_to(running, head(UPGRADE, VERSION, KEY, origin)).startswith(b"HTTP/1.1 403 ")
    with closing(connected(running)) as client:
        client.sendall(head(UPGRADE, VERSION, KEY, origin, path="ws://elsewhere.example/signal"))
        assert ACCEPT in hears(client, b"\r\n\r\n")


# --- A later request ----------------------------------------------------------------------------------------


def test_upgrade_may_be_a_later_request(running: RunningServer) -> None:
    with closing(connected(running)) as client:
        for _ in range(3):
            client.sendall(head(path="/health"))
            hears(client, b'{"status":"ok"}')
        client.sendall(HANDSHAKE)
        assert ACCEPT in hears(client, b"\r\n\r\n")
        speaks(client)
        # Close 3000; the answer to it, a FIN and no reset show whose connection it is.
        client.sendall(bytes.fromhex("8882 00000000 0bb8"))
        assert client.recv(100) == bytes.fromhex("8802 0bb8")
        assert client.recv(100) == b""


def test_upgrade_waits_for_the_answer_before_it() -> None:
    with server(application="tests.support.recorder:application") as running, closing(connected(running)) as client:
        running.records_path.with_name("release").touch()
        # Its answer is longer than the sockets' buffers.
        client.sendall(head(path="/held") + head(UPGRADE, VERSION, KEY, path="/after"))
        time.sleep(0.5)
        told = bytearray()
        while ACCEPT not in told[-1000:]:
            part = client.recv(1 << 20)
            assert part
            told += part
        assert told.count(b"x" * 1_000_000) == 50


def test_listening_socket_may_be_inherited() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        number = listening.fileno()
        with server(options=("--fd", str(number)), pass_fds=(number,)) as running:
            # Announced first.
            assert running.port == listening.getsockname()[1]
            with closing(connected(running)) as client:
                client.sendall(HANDSHAKE)
                hears(client, ACCEPT)


def test_later_request_for_a_websocket_may_be_wrong(running: RunningServer) -> None:
    for wrong, status in ((head(), 426), (head(UPGRADE, VERSION), 400)):
        with closing(connected(running)) as client:
            client.sendall(head(path="/health"))
            hears(client, b'{"status":"ok"}')
            client.sendall(wrong)
            assert hears(client, b"\r\n\r\n").startswith(f"HTTP/1.1 {status} ".encode())


def is_cut_off(running: RunningServer, begun: bytes) -> float:
    """Begin a later request and never finish it, never idle either; returns when it was cut off, in seconds."""
    with closing(connected(running)) as client:
        client.sendall(head(path="/health"))
        hears(client, b'{"status":"ok"}')
        client.sendall(begun)
        start = time.monotonic()
        client.settimeout(0.5)
        with suppress(ConnectionError):
            while True:
                client.sendall(b"x")
                try:
                    if not client.recv(100):
                        break
                except TimeoutError:
                    assert time.monotonic() - start < 60, begun
        return time.monotonic() - start


async def test_later_request_that_does_not_end_is_cut_off(running: RunningServer) -> None:
    body = b"POST /api/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99\r\n\r\n"
    requests = (b"GET /signal HTTP/1.1\r\nX-Slow: ", b"G", body)
    times = await asyncio.gather(*(asyncio.to_thread(is_cut_off, running, begun) for begun in requests))
    assert min(times) > 9


@pytest.fixture(params=RECIPES)
def proxy(request: pytest.FixtureRequest, running: RunningServer) -> Iterator[Edge]:
    try:
        with edge(request.param, "x-forwarded-for", running.port) as started:
            yield started
    except NotInstalledError as missing:
        skip_or_fail(missing)


async def test_upgrades_behind_a_proxy_that_keeps_connections_get_the_wire(proxy: Edge) -> None:
    tls = proxy.tls
    for _ in range(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port, ssl=tls)
        writer.write(head("Connection: close\r\n", path="/health"))
        assert b'{"status":"ok"}' in await reader.read()
        writer.close()
        async with connect(proxy.ws_url, ssl=tls, compression=None, proxy=None) as client:
            async with asyncio.timeout(10):
                await (await client.ping(b"life"))
                await client.send('{"type":"HEARTBEAT"}')
                assert json.loads(await client.recv())["type"] == "HEARTBEAT_ACK"
                await client.close(3000)
            assert client.close_code == 3000


# --- The limit of files -------------------------------------------------------------------------------------


def processor_seconds(running: RunningServer) -> float:
    fields = Path(f"/proc/{running.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_at_the_limit_of_files_health_answers_and_the_process_idles() -> None:
    with server(env={"LIMIT_CONNECTIONS_PER_IP": "0", "LIMIT_NEW_CONNECTIONS_PER_IP_PER_MINUTE": "0"}) as running:
        there = len(list(Path(f"/proc/{running.process.pid}/fd").iterdir()))
        resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE, (there + 20, there + 20))
        with ExitStack() as stack:
            clients = [stack.enter_context(closing(connected(running))) for _ in range(60)]
            refused = 0
            for client in clients:
                client.sendall(HANDSHAKE)
            for client in clients[:20]:
                if b" 101 " not in client.recv(4096):
                    refused += 1
            time.sleep(1)
            before = processor_seconds(running)
            time.sleep(1)
            assert processor_seconds(running) - before < 0.3
            assert running.is_healthy()
            # Those who are in do not notice.
            speaks(clients[0])

        # There is room again.
        def room() -> bool | None:
            with closing(connected(running)) as client:
                client.sendall(HANDSHAKE)
                return b" 101 " in client.recv(4096) or None

        eventually(room, lambda: running.log, 20)
        assert "WebSockets are refused, as no more files can be opened (EMFILE): raise ulimit -n" in running.log
        eventually(lambda: (room() and "WebSockets are accepted again" in running.log) or None, lambda: running.log, 20)
        assert running.log.count("no more files can be opened") == 1
        assert running.is_healthy()
        assert "Traceback" not in running.log


async def test_client_of_the_library_is_served(running: RunningServer) -> None:
    async with Client(running.ws_url) as client:
        await client.send("HEARTBEAT")
        await client.expects("HEARTBEAT_ACK")
