"""Clients behind real proxies: each counts for its own address, whatever it says of itself."""

from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest

from tests.support.client import Client
from tests.support.people import is_admitted
from tests.support.servers import RunningServer, server
from tests.support.services.edges import EDGES, Header, edge
from tests.support.services.process import NotInstalledError, skip_or_fail

OPEN = 3
# The proxies connect from the one, clients from the others.
PROXY, CLIENT, NEIGHBOUR = "127.0.0.1", "127.0.0.2", "127.0.0.3"


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
    }
    with server(env=env) as started:
        yield started


@pytest.fixture(params=EDGES)
def port(request: pytest.FixtureRequest, running: RunningServer, header: Header) -> Iterator[int]:
    """The port of a proxy before the server."""
    try:
        with edge(request.param, header, running.port) as own:
            yield own
    except NotInstalledError as missing:
        skip_or_fail(missing)


def invented(number: int) -> dict[str, str]:
    """Name another address in each header that a proxy might pass on."""
    address = f"203.0.113.{number}"
    names = ("X-Real-IP", "X-Forwarded-For", "X-Client-IP", "CF-Connecting-IP", "True-Client-IP", "X_Real_IP")
    return {**dict.fromkeys(names, address), "Forwarded": f"for={address}"}


async def test_client_behind_a_proxy_counts_for_its_own_address(port: int) -> None:
    async with AsyncExitStack() as stack:

        async def connects(source: str, number: int) -> bool:
            client = Client(
                f"ws://127.0.0.1:{port}/signal", additional_headers=invented(number), local_addr=(source, 0)
            )
            return await is_admitted(await stack.enter_async_context(client))

        assert [await connects(CLIENT, number) for number in range(OPEN + 2)] == [True] * OPEN + [False] * 2
        assert [await connects(NEIGHBOUR, number) for number in range(OPEN + 1)] == [True] * OPEN + [False]
