"""Heroku and an Application Load Balancer of AWS, as far as a server sees them: their documented headers, replayed.

docs/deployment.md has the settings of each. The test's own address stands for the platform's router.
"""

import asyncio
import http.client
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import msgspec
import pytest
from pytest_django import Settings
from websockets.exceptions import InvalidStatus

from diagnostics.request_report import PATH, Seen, make_token
from tests.support.client import Client
from tests.support.people import is_admitted
from tests.support.servers import RunningServer, environment, server

ROUTER = "127.0.0.1"
CLIENT, INVENTED = "203.0.113.9", "198.51.100.66"
# A secret of Django's own form; the page's token may be the cookie's.
CSRF = "0123456789abcdefghijklmnopqrstuv"


@dataclass(frozen=True)
class Platform:
    """A platform's host for an app, its routers' networks, and what it sends for a request of CLIENT by https."""

    host: str
    networks: str
    headers: tuple[tuple[str, str], ...]

    def request(self, scheme: str = "https", **also: str) -> list[tuple[str, str]]:
        """Return the headers of a request that came by a scheme, of a client that invents its address."""
        port = {"https": "443", "http": "80"}[scheme]
        named = [(name, value.format(scheme=scheme, port=port)) for name, value in self.headers]
        return [("Host", self.host), *named, *((name.replace("_", "-"), value) for name, value in also.items())]


PLATFORMS = {
    # https://devcenter.heroku.com/articles/http-routing#heroku-headers
    "Heroku": Platform(
        "securecall-12ab34cd56ef.herokuapp.com",
        "10.0.0.0/8",
        (
            ("Connection", "close"),
            ("X-Request-Id", "b6ba1c7e-29a9-4e03-8a5d-95f0a2f1f1b4"),
            ("X-Forwarded-For", f"{INVENTED}, {CLIENT}"),
            ("X-Forwarded-Proto", "{scheme}"),
            ("X-Forwarded-Port", "{port}"),
            ("Via", "1.1 heroku-router"),
            ("X-Request-Start", "1764489600123"),
            ("Total-Route-Time", "0"),
        ),
    ),
    # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/x-forwarded-headers.html, and
    # …/load-balancer-request-tracing.html: an ID that a client sent stays, and the balancer's stands before it.
    "AWS": Platform(
        "calls.example.com",
        "10.0.0.0/16",
        (
            ("X-Forwarded-For", f"{INVENTED}, {CLIENT}"),
            ("X-Forwarded-Proto", "{scheme}"),
            ("X-Forwarded-Port", "{port}"),
            (
                "X-Amzn-Trace-Id",
                "Self=1-67891234-12456789abcdef012345678;Root=1-67891233-abcdef012345678912345678",
            ),
        ),
    ),
}


@pytest.fixture(scope="module", params=PLATFORMS)
def platform(request: pytest.FixtureRequest) -> Platform:
    return PLATFORMS[request.param]


@pytest.fixture(scope="module")
def running() -> Iterator[RunningServer]:
    env = {
        "ALLOWED_HOSTS": ",".join(platform.host for platform in PLATFORMS.values()),
        "ALLOWED_ORIGINS": ",".join(f"https://{platform.host}" for platform in PLATFORMS.values()),
        "TRUSTED_PROXIES": ",".join([f"{ROUTER}/32", *(platform.networks for platform in PLATFORMS.values())]),
        "CLIENT_ADDRESS_HEADER": "x-forwarded-for",
        "LIMIT_CONNECTIONS_PER_IP": "1",
    }
    with server(env=env) as started:
        yield started


def ask(running: RunningServer, path: str, headers: list[tuple[str, str]], body: str | None = None) -> tuple[int, str]:
    """Return the status of a request, and what it says: where to go instead, or the page."""
    with closing(http.client.HTTPConnection(running.host, running.port, timeout=20)) as connection:
        connection.putrequest("GET" if body is None else "POST", path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
            connection.putheader("Content-Type", "application/x-www-form-urlencoded")
        connection.endheaders(None if body is None else body.encode())
        answer = connection.getresponse()
        return answer.status, answer.headers["Location"] or answer.read().decode()


def test_client_counts_for_the_address_that_the_platform_saw(
    running: RunningServer, platform: Platform, settings: Settings
) -> None:
    settings.SECRET_KEY = environment(Path("unused"))["SECRET_KEY"]
    status, body = ask(running, PATH, platform.request(Authorization=f"Bearer {make_token()}"))
    assert status == 200
    seen = msgspec.json.decode(body, type=Seen)
    assert (seen.peer, seen.counts_for, seen.is_secure) == (ROUTER, CLIENT, True)


def test_browser_is_sent_to_https_and_stays_there(running: RunningServer, platform: Platform) -> None:
    assert ask(running, "/admin/", platform.request("http")) == (301, f"https://{platform.host}/admin/")
    assert ask(running, "/admin/", platform.request())[0] == 302


def test_forms_are_taken_from_the_apps_own_pages(running: RunningServer, platform: Platform) -> None:
    def sends(origin: str) -> int:
        cookie, form = f"__Host-csrftoken={CSRF}", urlencode({"csrfmiddlewaretoken": CSRF})
        return ask(running, "/admin/logout/", platform.request(Cookie=cookie, Origin=origin), form)[0]

    # Where nobody is signed in it leads back to where that is done.
    assert sends(f"https://{platform.host}") == 302
    for other in (f"http://{platform.host}", f"https://{platform.host}:8443", "https://evil.example", "null"):
        assert sends(other) == 403


async def test_connections_count_for_clients_and_pages_for_their_origin(
    running: RunningServer, platform: Platform
) -> None:
    def client(address: str, origin: str | None = None) -> Client:
        headers = [(name, value.replace(CLIENT, address)) for name, value in platform.request()]
        also = {name: value for name, value in headers if name not in {"Host", "Connection"}}
        url, router = f"ws://{platform.host}/signal", {"host": running.host, "port": running.port}
        return Client(url, origin=origin, additional_headers=also, **router)

    async with client("203.0.113.21", f"https://{platform.host}") as alice, client("203.0.113.22") as bob:
        assert await is_admitted(alice)
        assert await is_admitted(bob)
        async with client("203.0.113.22") as again:
            assert not await is_admitted(again)
        with pytest.raises(InvalidStatus, match="403"):
            await client("203.0.113.23", "https://evil.example").__aenter__()


async def test_health_check_is_answered(running: RunningServer) -> None:
    # The balancer's comes without the headers that tell of a client, by http, and with the target as its host.
    headers = [("Host", "10.0.3.4:8000"), ("Connection", "close"), ("User-Agent", "ELB-HealthChecker/2.0")]
    assert await asyncio.to_thread(ask, running, "/health", headers) == (200, '{"status":"ok"}')
