"""Clients behind real proxies: each counts for its own address, whatever it says of itself."""

import asyncio
import http.client
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing
from typing import NamedTuple

import pytest

from tests.support.client import Client
from tests.support.people import is_admitted
from tests.support.servers import RunningServer, server
from tests.support.services.edges import EDGES, Header, edge
from tests.support.services.process import NotInstalledError, skip_or_fail

OPEN, REQUESTS = 3, 4
# Proxies connect from here, and clients from other addresses.
PROXY = "127.0.0.1"
METRICS_TOKEN = "a-token-that-is-long-enough-to-be-one"


class Door(NamedTuple):
    """The port of a proxy before the server, and the addresses of two clients that use no other."""

    port: int
    client: str
    neighbour: str


@pytest.fixture(scope="module", params=["x-forwarded-for", "x-real-ip"])
def header(request: pytest.FixtureRequest) -> Header:
    chosen: Header = request.param
    return chosen


@pytest.fixture(scope="module")
def running(header: Header) -> Iterator[RunningServer]:
    env = {
        "TRUSTED_PROXIES": f"{PROXY}/32",
        "CLIENT_ADDRESS_HEADER": header,
        "LIMIT_CONNECTIONS_PER_IP": str(OPEN),
        "DEBUG": "1",
        "LIMIT_HTTP_REQUESTS_PER_IP_PER_MINUTE": str(REQUESTS),
        "METRICS_TOKEN": METRICS_TOKEN,
    }
    with server(env=env) as started:
        yield started


@pytest.fixture(params=EDGES)
def door(request: pytest.FixtureRequest, running: RunningServer, header: Header) -> Iterator[Door]:
    number = 2 * list(EDGES).index(request.param) + 2
    try:
        with edge(request.param, header, running.port) as port:
            yield Door(port, f"127.0.0.{number}", f"127.0.0.{number + 1}")
    except NotInstalledError as missing:
        skip_or_fail(missing)


def invented(number: int) -> dict[str, str]:
    """Name another address in each header that a proxy might pass on."""
    address = f"203.0.113.{number}"
    names = ("X-Real-IP", "X-Forwarded-For", "X-Client-IP", "CF-Connecting-IP", "True-Client-IP", "X_Real_IP")
    return {**dict.fromkeys(names, address), "Forwarded": f"for={address}"}


def ask(door: Door, source: str, path: str, headers: dict[str, str]) -> tuple[int, int]:
    """Return the status of a GET, and the seconds of its Retry-After."""
    with closing(http.client.HTTPConnection(PROXY, door.port, timeout=20, source_address=(source, 0))) as connection:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, int(answer.headers.get("Retry-After", "0"))


async def test_connections_behind_a_proxy_count_for_each_client(door: Door) -> None:
    async with AsyncExitStack() as stack:

        async def connects(source: str, number: int) -> bool:
            client = Client(
                f"ws://{PROXY}:{door.port}/signal", additional_headers=invented(number), local_addr=(source, 0)
            )
            return await is_admitted(await stack.enter_async_context(client))

        assert [await connects(door.client, number) for number in range(OPEN + 2)] == [True] * OPEN + [False] * 2
        assert [await connects(door.neighbour, number) for number in range(OPEN + 1)] == [True] * OPEN + [False]


async def test_requests_behind_a_proxy_count_for_each_client(door: Door) -> None:
    async def asks(source: str, number: int) -> tuple[int, int]:
        return await asyncio.to_thread(ask, door, source, "/admin/login/", invented(number))

    for source in (door.client, door.neighbour):
        *within, (status, retry_after) = [await asks(source, number) for number in range(REQUESTS + 1)]
        assert within == [(200, 0)] * REQUESTS
        assert status == 429
        assert 0 < retry_after <= 60
        for path, headers in (("/health", {}), ("/metrics", {"Authorization": f"Bearer {METRICS_TOKEN}"})):
            assert await asyncio.to_thread(ask, door, source, path, headers) == (200, 0)
        # Handshakes have limits of their own.
        async with Client(f"ws://{PROXY}:{door.port}/signal", local_addr=(source, 0)) as client:
            assert await is_admitted(client)
