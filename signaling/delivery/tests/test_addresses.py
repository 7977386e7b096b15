import asyncio
import errno
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from signaling.delivery.addresses import alternating, open_socket
from signaling.delivery.redis_link import RedisLink
from signaling.delivery.tests.test_redis_link import Preparing
from tests.support.services import RedisServer

HOST = "redis.example.com"
V4, V6 = socket.AF_INET, socket.AF_INET6
SILENT, GOOD, REFUSED = "127.0.0.2", "127.0.0.1", "127.0.0.3"


class Resolving(asyncio.SelectorEventLoop):
    """An event loop that knows the addresses of one host."""

    def __init__(self, *addresses: str) -> None:
        super().__init__()
        self.addresses = addresses

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        """Return the addresses in their order."""
        if host != HOST:
            return await super().getaddrinfo(host, port, **options)
        return [(V4, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)) for address in self.addresses]


@pytest.fixture
def port(own_redis: RedisServer) -> Iterator[int]:
    """The port of a Redis at the good address; at the silent one connections are neither taken nor refused."""
    with ExitStack() as stack:
        silent = stack.enter_context(closing(socket.socket()))
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        silent.bind((SILENT, own_redis.port))
        silent.listen(0)
        # What the queue of a socket that accepts nothing has no room for is dropped.
        for _ in range(4):
            waiting = stack.enter_context(closing(socket.socket()))
            waiting.setblocking(False)  # noqa: FBT003 -- the socket module's
            assert waiting.connect_ex((SILENT, own_redis.port)) in {0, errno.EINPROGRESS}
        yield own_redis.port


def connected_to(port: int, *addresses: str) -> str:
    """Return the address that a host of these addresses is connected to."""
    with (
        asyncio.Runner(loop_factory=lambda: Resolving(*addresses)) as runner,
        closing(runner.run(open_socket(HOST, port))) as connection,
    ):
        address: str = connection.getpeername()[0]
        return address


@pytest.mark.parametrize(
    "addresses",
    [(GOOD,), (SILENT, GOOD), (REFUSED, GOOD), (GOOD, SILENT), (SILENT, REFUSED, SILENT, GOOD)],
    ids=["alone", "after a silent one", "after one that refuses", "before a silent one", "last of four"],
)
def test_address_that_answers_is_connected_to(port: int, addresses: tuple[str, ...]) -> None:
    assert connected_to(port, *addresses) == GOOD


def test_addresses_that_refuse_raise(port: int) -> None:
    with pytest.raises(ConnectionRefusedError):
        connected_to(port, REFUSED, REFUSED)


def test_name_without_an_address_raises(port: int) -> None:
    with pytest.raises(OSError, match="has no address"):
        connected_to(port)


def test_redis_behind_a_silent_address_is_reached(port: int) -> None:
    async def reach() -> tuple[bool, float]:
        link = RedisLink(f"redis://{HOST}:{port}", lambda *_: None)
        begin = time.monotonic()
        await link.start(Preparing())
        try:
            return link.is_up, time.monotonic() - begin
        finally:
            await link.stop()

    with asyncio.Runner(loop_factory=lambda: Resolving(SILENT, GOOD)) as runner:
        is_up, seconds = runner.run(reach())
    assert is_up
    # One attempt was given up for another, and not the connect as a whole.
    assert seconds < 3


def test_families_take_turns() -> None:
    infos = [(V6, "a"), (V6, "b"), (V6, "c"), (V4, "d"), (V4, "e")]
    assert [name for _, name in alternating(infos)] == ["a", "d", "b", "e", "c"]
    assert alternating([]) == []
