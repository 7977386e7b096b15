"""Clients behind real proxies: each counts for its own address, whatever it says of itself."""

import asyncio
import http.client
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from pytest_django import Settings

from diagnostics.doctor import proxy
from diagnostics.outcome import Outcome
from diagnostics.request_report import PATH, Seen
from pkd.tests.owners import DIRECTORY, Identity, first
from securecall_client import (
    Connection,
    PkdRegister,
    PkdResult,
    RequestError,
    StatementSignatures,
    new_client_id,
)
from signaling.admission.host import is_signature_taken
from tests.support.client import Client
from tests.support.people import is_admitted
from tests.support.servers import RunningServer, environment, server
from tests.support.services.edges import RECIPES, Edge, Header, edge
from tests.support.services.process import NotInstalledError, skip_or_fail

OPEN, REQUESTS = 3, 4
# Proxies connect from here, and clients from other addresses.
PROXY = "127.0.0.1"
METRICS_TOKEN = "a-token-that-is-long-enough-to-be-one"


class Door(NamedTuple):
    """A proxy before the server, and the addresses of three clients that use no other."""

    edge: Edge
    client: str
    neighbour: str
    operator: str


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
        "DIRECTORY_NAME": DIRECTORY,
    }
    with server(env=env) as started:
        yield started


@pytest.fixture(params=RECIPES)
def door(request: pytest.FixtureRequest, running: RunningServer, header: Header) -> Iterator[Door]:
    number = 3 * list(RECIPES).index(request.param) + 2
    try:
        with edge(request.param, header, running.port) as started:
            yield Door(started, *(f"127.0.0.{number + further}" for further in range(3)))
    except NotInstalledError as missing:
        skip_or_fail(missing)


def invented(number: int) -> dict[str, str]:
    """Name another address in each header that a proxy might pass on."""
    address = f"203.0.113.{number}"
    names = ("X-Real-IP", "X-Forwarded-For", "X-Client-IP", "CF-Connecting-IP", "True-Client-IP", "X_Real_IP")
    return {**dict.fromkeys(names, address), "Forwarded": f"for={address}"}


def ask(door: Door, source: str, path: str, headers: dict[str, str]) -> tuple[int, int, bytes]:
    """Return the status of a GET, the seconds of its Retry-After, and the body."""
    at, tls = door.edge.port, door.edge.tls
    with closing(
        http.client.HTTPSConnection(PROXY, at, timeout=20, source_address=(source, 0), context=tls)
    ) as connection:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, int(answer.headers.get("Retry-After", "0")), answer.read()


async def test_connections_behind_a_proxy_count_for_each_client(door: Door) -> None:
    tls = door.edge.tls
    async with AsyncExitStack() as stack:

        async def connects(source: str, number: int) -> bool:
            client = Client(door.edge.ws_url, ssl=tls, additional_headers=invented(number), local_addr=(source, 0))
            return await is_admitted(await stack.enter_async_context(client))

        assert [await connects(door.client, number) for number in range(OPEN + 2)] == [True] * OPEN + [False] * 2
        assert [await connects(door.neighbour, number) for number in range(OPEN + 1)] == [True] * OPEN + [False]


async def test_requests_behind_a_proxy_count_for_each_client(door: Door) -> None:
    async def asks(source: str, number: int) -> tuple[int, int]:
        status, retry_after, _ = await asyncio.to_thread(ask, door, source, "/admin/login/", invented(number))
        return status, retry_after

    for source in (door.client, door.neighbour):
        *within, (status, retry_after) = [await asks(source, number) for number in range(REQUESTS + 1)]
        assert within == [(200, 0)] * REQUESTS
        assert status == 429
        assert 0 < retry_after <= 60
        for path, headers in (("/health", {}), ("/metrics", {"Authorization": f"Bearer {METRICS_TOKEN}"})):
            assert (await asyncio.to_thread(ask, door, source, path, headers))[0] == 200
        # Handshakes have limits of their own.
        async with Client(door.edge.ws_url, ssl=door.edge.tls, local_addr=(source, 0)) as client:
            assert await is_admitted(client)


async def test_recipe_passes_a_long_body_on(door: Door) -> None:
    # As an import of keys has; nginx ends it at 1 MiB by itself.
    def sends() -> int:
        at, source = (PROXY, door.edge.port), (door.operator, 0)
        with closing(
            http.client.HTTPSConnection(*at, timeout=20, source_address=source, context=door.edge.tls)
        ) as connection:
            connection.request("POST", "/admin/login/", b"x" * 2 * 1024 * 1024)
            return connection.getresponse().status

    # Without a token against forged requests.
    assert await asyncio.to_thread(sends) == 403


async def test_recipe_sends_browsers_to_https(door: Door) -> None:
    def asks() -> tuple[int, str]:
        with closing(http.client.HTTPConnection(PROXY, door.edge.plain_port, timeout=20)) as connection:
            connection.request("GET", "/demo/?name=bob")
            answer = connection.getresponse()
            return answer.status, answer.headers["Location"]

    status, location = await asyncio.to_thread(asks)
    assert status in {301, 308}
    assert location.startswith(f"https://{PROXY}")
    assert location.endswith("/demo/?name=bob")


@pytest.fixture
def _as_the_server(settings: Settings) -> None:
    settings.DEBUG = True
    settings.SECRET_KEY = environment(Path("unused"))["SECRET_KEY"]
    settings.DIRECTORY_NAME = DIRECTORY


def taken_by_the_server(opened: str, arrived: str) -> bool:
    """Say as `doctor` does whether owners may sign, with the server's settings."""
    return is_signature_taken(opened, arrived, [PROXY], DIRECTORY)


@pytest.mark.usefixtures("_as_the_server")
async def test_owner_registers_behind_a_proxy_that_changes_the_host(running: RunningServer, header: Header) -> None:
    alice, client_id = Identity("alice 1"), new_client_id("alice")
    statement = first(alice, client_id=client_id)
    source = ("127.0.0.60", 0)

    with edge("nginx", header, running.port, host="localhost:8000") as started:

        async def opens(host: str) -> Connection:
            return await Connection.open(
                f"wss://{host}/signal", host=PROXY, port=started.port, ssl=started.tls, local_addr=source
            )

        connection = await opens(DIRECTORY)
        await connection.register(client_id)
        signatures = StatementSignatures(alice.sign(statement.text))
        await connection.send(PkdRegister(client_id, alice.public, statement.text, signatures))
        assert isinstance(await connection.receive(), PkdResult)
        await connection.close()
        # He signs for the name that he opened, which no Host says any more.
        again = await opens(DIRECTORY)
        await again.register(client_id, alice)
        await again.close()
        elsewhere = await opens("calls.example.net")
        with pytest.raises(RequestError, match="belongs to a key"):
            await elsewhere.register(client_id, alice)
        await elsewhere.close()

        _, _, body = await asyncio.to_thread(
            ask, Door(started, *[source[0]] * 3), source[0], PATH, {**proxy.inventing(header), "Host": DIRECTORY}
        )
    seen = msgspec.json.decode(body, type=Seen)
    (finding,) = proxy.judge_host(seen, DIRECTORY, taken_by_the_server)
    assert finding.outcome is Outcome.WARNING
    (finding,) = proxy.judge_host(seen, "calls.example.net", taken_by_the_server)
    assert finding.outcome is Outcome.FAILED
    assert "changes the Host header to localhost:8000" in finding.sentence
    assert f"only by {DIRECTORY}" in finding.sentence
    assert "nginx: proxy_set_header Host $http_host;" in finding.sentence


@pytest.mark.usefixtures("_as_the_server")
async def test_doctor_shows_what_a_request_looks_like(door: Door, header: Header) -> None:
    status, _, body = await asyncio.to_thread(ask, door, door.operator, PATH, proxy.inventing(header))
    assert status == 200
    seen, host = msgspec.json.decode(body, type=Seen), f"{PROXY}:{door.edge.port}"
    (shown,) = proxy.judge(seen)
    assert list(proxy.judge_host(seen, host, taken_by_the_server)) == []
    assert shown.outcome is Outcome.OK
    assert f"comes from {PROXY}, counts for {door.operator}, and has " in shown.sentence
    assert f"host: {PROXY}:{door.edge.port}" in shown.sentence
    assert "x-forwarded-proto: https" in shown.sentence
    assert f"{header}: " in shown.sentence


@pytest.mark.usefixtures("_as_the_server")
async def test_doctor_finds_a_header_that_is_passed_on(running: RunningServer, header: Header) -> None:
    # Without a proxy in between this is one that passes everything on.
    findings = await asyncio.to_thread(lambda: list(proxy.examine(running.ws_url, 10, header, taken_by_the_server)))
    assert [finding.outcome for finding in findings] == [Outcome.OK, Outcome.FAILED]
    assert f"passes {header} on as clients send it" in findings[1].sentence


async def test_stranger_is_told_nothing_of_a_request(running: RunningServer, header: Header) -> None:
    status, _ = await asyncio.to_thread(running.get, PATH, {"Authorization": "Bearer doctor:1wXyZ:made-up"})
    assert status == 404
    # The key is another one here.
    (finding,) = await asyncio.to_thread(lambda: list(proxy.examine(running.ws_url, 10, header, taken_by_the_server)))
    assert finding.outcome is Outcome.FAILED
    assert "answered HTTP 404 for /seen: is it this server, of this version and SECRET_KEY" in finding.sentence
