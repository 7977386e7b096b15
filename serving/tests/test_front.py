"""The front's decisions, without a server around it."""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.contract import Receive, Scope, Send
from serving.endpoints import parse
from serving.front import Front, Options
from serving.hub import Hub
from serving.opening import END_OF_HEAD, Opening, is_for_us, read_opening
from serving.tests.rig import CAP_BYTES, HANDSHAKE

PATHS = frozenset({b"/signal"})


async def accept(_scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass


async def test_connection_that_was_aborted_elsewhere_is_not_reset_when_it_is_closed() -> None:
    hub = Hub(asyncio.get_running_loop(), write_limit_bytes=0, max_message_bytes=CAP_BYTES)
    options = Options(websocket_paths=PATHS, close_seconds=1, on_refused=lambda: None)
    front = Front(hub, accept, lambda connection, _: connection.close(), options)
    client, server = socket.socketpair()
    with client:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        watched = server.dup()
        front.adopt(server, HANDSHAKE)
        client.setblocking(False)  # noqa: FBT003 -- the socket module's
        assert b" 101 " in await asyncio.get_running_loop().sock_recv(client, 4096)
        with watched:
            assert watched.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == struct.pack("ii", 0, 0)
        for wire in list(hub.wires):
            wire.drop()
        while hub.tasks:
            await asyncio.wait(hub.tasks)


class WatchingLoop(asyncio.SelectorEventLoop):
    """An event loop that notes what it is asked to watch."""

    def __init__(self) -> None:
        super().__init__()
        self.watched: list[object] = []

    def add_reader(self, fd: Any, callback: Callable[..., Any], *args: Any) -> None:  # type: ignore[override]  # no TypeVarTuple
        """Note what is to be read."""
        self.watched.append(fd)
        super().add_reader(fd, callback, *args)


def test_head_that_has_come_with_its_connection_is_answered_without_a_reader_of_its_own() -> None:
    # By its number: before Python 3.13 the loop makes the `repr` of a socket that is new to it, in two system calls.
    with asyncio.Runner(loop_factory=WatchingLoop) as runner, socket.create_server(("127.0.0.1", 0)) as listening:
        runner.run(connect_with_the_head(listening))


async def connect_with_the_head(listening: socket.socket) -> None:
    loop: Any = asyncio.get_running_loop()
    listening.setblocking(False)  # noqa: FBT003 -- likewise
    hub = Hub(loop, write_limit_bytes=0, max_message_bytes=CAP_BYTES)
    options = Options(websocket_paths=PATHS, close_seconds=1, on_refused=lambda: None)
    front = Front(hub, accept, lambda connection, _: connection.close(), options)
    front.listen(listening)
    before = len(loop.watched)
    with socket.create_connection(listening.getsockname()) as client:
        client.sendall(HANDSHAKE)
        await asyncio.sleep(0)
        while not hub.wires:
            await asyncio.sleep(0)
        watched = loop.watched[before:]
        for wire in list(hub.wires):
            wire.drop()
        while hub.tasks:
            await asyncio.wait(hub.tasks)
    front.stop_listening()
    assert [type(number) for number in watched] == [int]


@given(
    place=st.integers(0, len(HANDSHAKE) - 1),
    cut=st.integers(0, 20),
    noise=st.binary(max_size=20),
    tail=st.sampled_from([b"", b"\r\n\r\n"]),
)
def test_damaged_handshake_is_read_or_refused_or_plain_http(place: int, cut: int, noise: bytes, tail: bytes) -> None:
    head = HANDSHAKE[:place] + noise + HANDSHAKE[place + cut :] + tail + END_OF_HEAD
    # As the front does: what follows the first empty line is no part of it.
    head = head[: head.find(END_OF_HEAD) + len(END_OF_HEAD)]
    read = read_opening(head, None, None, PATHS)
    if isinstance(read, bytes):
        assert read.startswith((b"HTTP/1.1 4", b"HTTP/1.1 505"))
        assert b"text/plain" in read
    elif read is not None:
        assert isinstance(read, Opening)
        assert is_for_us(head, PATHS)


@pytest.mark.parametrize(
    ("description", "kind", "values"),
    [
        (r"tcp:port=8000:interface=\:\::backlog=4096", "tcp", {"port": "8000", "interface": "::", "backlog": "4096"}),
        ("tcp:0:interface=127.0.0.1", "tcp", {"1": "0", "interface": "127.0.0.1"}),
        ("unix:/run/a-socket:mode=600", "unix", {"1": "/run/a-socket", "mode": "600"}),
        (r"unix:/run/with\:colon", "unix", {"1": "/run/with:colon"}),
        ("fd:fileno=3", "fd", {"fileno": "3"}),
    ],
)
def test_endpoint_is_read_as_twisted_reads_it(description: str, kind: str, values: dict[str, str]) -> None:
    assert parse(description) == (kind, values)


@pytest.mark.parametrize("description", ["ssl:443", "haproxy:tcp:80", "systemd:domain=INET:index=0", "", "nonsense"])
def test_endpoint_of_another_kind_is_refused_with_a_sentence(description: str) -> None:
    with pytest.raises(SystemExit, match="is none of fd, tcp, tcp6, unix"):
        parse(description)
