from typing import Any

import pytest
from channels.testing import WebsocketCommunicator

from signaling.origin import AllowedOrigins, refuse
from signaling.routing import websocket_application

ALLOWED = ["https://app.example.com", "http://localhost:*"]
DENIAL_SECONDS = 0.2


async def accept(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "websocket.accept"})


async def passes(origin: str | None, allowed: list[str] | None = None) -> bool:
    headers = [] if origin is None else [(b"origin", origin.encode("latin-1"))]
    application = AllowedOrigins(accept, ALLOWED if allowed is None else allowed)
    communicator = WebsocketCommunicator(application, "/signal", headers)
    is_connected, code = await communicator.connect(DENIAL_SECONDS)
    await communicator.wait()
    assert is_connected or code == 1000
    return is_connected


async def test_missing_origin_passes() -> None:
    assert await passes(None)
    assert await passes(None, [])


@pytest.mark.parametrize(
    "origin", ["https://app.example.com", "https://app.example.com:443", "HTTPS://APP.EXAMPLE.COM"]
)
async def test_allowed_origin_passes(origin: str) -> None:
    assert await passes(origin)


async def test_allowed_origin_with_any_port_passes() -> None:
    assert await passes("http://localhost:5173")


REFUSED = [
    "",
    "null",
    "https://evil.example.com",
    "http://app.example.com",
    "https://app.example.com:8443",
    "https://app.example.com.evil.example",
    "https://evil.example/?https://app.example.com",
    "https://app.example.com@evil.example",
    "https://xapp.example.com",
    "file://",
    "\xff\xfe",
]


@pytest.mark.parametrize("origin", REFUSED)
async def test_other_origin_is_refused(origin: str) -> None:
    assert not await passes(origin, ["https://app.example.com"])


@pytest.mark.parametrize("origin", ["http://[", "http://app.example.com:notaport"])
async def test_origin_that_is_no_url_is_refused(origin: str) -> None:
    assert not await passes(origin, ["https://app.example.com"])


async def test_any_origin_passes_when_all_are_allowed() -> None:
    assert await passes("https://evil.example.com", ["*"])


@pytest.mark.parametrize("path", ["/", "/signals", "/signal/", "/signal/x", "/admin/", "//signal"])
async def test_unknown_path_is_refused(path: str) -> None:
    communicator = WebsocketCommunicator(websocket_application, path)
    assert await communicator.connect() == (False, 1000)
    await communicator.wait()


async def test_refuse_closes_before_accepting() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await refuse({}, None, send)
    assert sent == [{"type": "websocket.close"}]
