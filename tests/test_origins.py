"""Which origins the real servers take in a handshake, and what they say of those that they refuse."""

import json
import socket
from collections.abc import Iterator

import pytest

from tests.support.servers import RunningServer, server

ORIGINS = ["https://app.example.com", "capacitor://localhost", "chrome-extension://abcdefghijklmnop", "file://", "null"]
ENV = {"ALLOWED_ORIGINS": ",".join(ORIGINS), "ALLOWED_HOSTS": "served.example.org,localhost,127.0.0.1"}


@pytest.fixture(scope="module", params=["ours", "uvicorn"])
def running(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    with server(request.param, env=ENV) as running:
        yield running


@pytest.fixture(scope="module")
def ours() -> Iterator[RunningServer]:
    """A server for one test that is refused, and one that reads what is logged at the start."""
    with server(env=ENV) as running:
        yield running


def answer(running: RunningServer, *headers: str, host: str = "localhost") -> int:
    """The status of the answer to an opening handshake with these headers."""
    lines = [
        "GET /signal HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *headers,
    ]
    with socket.create_connection((running.host, running.port), 10) as bare:
        bare.sendall("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
        return int(bare.makefile("rb").readline().split()[1])


def refusals(running: RunningServer) -> list[str]:
    """Return what the log says of refused origins."""
    lines = [json.loads(line) for line in running.log.splitlines()]
    return [line["message"] for line in lines if line["logger"] == "signaling.admission.origin"]


@pytest.mark.parametrize("origin", ORIGINS)
def test_allowed_origin_passes(running: RunningServer, origin: str) -> None:
    assert answer(running, f"Origin: {origin}") == 101


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://10.0.2.2:8000", "10.0.2.2:8000"),
        ("https://own.example.net", "own.example.net"),
        ("https://own.example.net", "Own.Example.Net:443"),
        ("http://[::1]:8000", "[::1]:8000"),
    ],
)
def test_origin_with_host_and_port_of_the_request_passes(running: RunningServer, origin: str, host: str) -> None:
    assert answer(running, f"Origin: {origin}", host=host) == 101


@pytest.mark.parametrize(
    "origin", ["", "ionic://localhost", "qrc://", "https://", "http://[", "http://localhost:8000", "x,y", "ws:"]
)
def test_other_origin_is_refused(running: RunningServer, origin: str) -> None:
    assert answer(running, f"Origin: {origin}") == 403


# uvicorn itself refuses them, with 400.
@pytest.mark.parametrize("running", ["ours"], indirect=True)
def test_several_origins_are_refused(running: RunningServer) -> None:
    assert answer(running, "Origin: https://app.example.com", "Origin: https://app.example.com") == 403
    assert answer(running, "Origin: https://app.example.com", "Origin:") == 403


def test_origin_is_not_taken_from_another_header(running: RunningServer) -> None:
    assert answer(running, "Origin: https://evil.example", "Securecall-Origin: https://app.example.com") == 403
    assert answer(running, "Securecall-Origin: https://evil.example") == 101


def test_first_refusal_is_logged_without_what_was_sent(ours: RunningServer) -> None:
    for name in ("one", "two"):
        assert answer(ours, f"Origin: https://{name}.example.net") == 403
        assert answer(ours, "Origin: https://served.example.org") == 403
        assert answer(ours, "Origin: ") == 403

    page, served, empty = refusals(ours)

    assert "if it is yours, add its scheme, host and port, such as https://app.example.com" in page
    assert "of served.example.org, which ALLOWED_HOSTS has" in served
    assert "empty or no origin" in empty
    assert "example.net" not in ours.log


def test_host_that_is_served_while_its_origin_is_refused_is_a_warning_at_the_start(ours: RunningServer) -> None:
    [said] = [json.loads(line) for line in ours.log.splitlines() if "W008" in line]

    assert said["level"] == "WARNING"
    assert "ALLOWED_HOSTS has served.example.org" in said["message"]
    assert "Add https://served.example.org to ALLOWED_ORIGINS" in said["message"]
