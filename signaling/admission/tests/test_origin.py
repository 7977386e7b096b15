from typing import Any

import pytest
from channels.testing import WebsocketCommunicator

from signaling.admission.origin import AllowedOrigins, refuse

ALLOWED = ["https://app.example.com", "http://localhost:*"]
SERVED = ["served.example", ".wild.example", "localhost", "*"]
DENIAL_SECONDS = 0.2


async def accept(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "websocket.accept"})


async def passes(*origins: str, allowed: list[str] | None = None, hosts: tuple[str, ...] = ()) -> bool:
    application = AllowedOrigins(accept, ALLOWED if allowed is None else allowed, SERVED)
    return await passes_through(application, *origins, hosts=hosts)


async def passes_through(application: AllowedOrigins, *origins: str, hosts: tuple[str, ...] = ()) -> bool:
    headers = [(b"origin", origin.encode("latin-1")) for origin in origins]
    headers += [(b"host", host.encode()) for host in hosts]
    communicator = WebsocketCommunicator(application, "/signal", headers)
    is_connected, code = await communicator.connect(DENIAL_SECONDS)
    await communicator.wait()
    assert is_connected or code == 1000
    return is_connected


async def test_missing_origin_passes() -> None:
    assert await passes()
    assert await passes(allowed=[])


@pytest.mark.parametrize(
    "origin", ["https://app.example.com", "https://app.example.com:443", "HTTPS://APP.EXAMPLE.COM"]
)
async def test_allowed_origin_passes(origin: str) -> None:
    assert await passes(origin)


async def test_allowed_origin_with_any_port_passes() -> None:
    assert await passes("http://localhost:5173")


SHELLS = [
    "capacitor://localhost",
    "ionic://localhost",
    "tauri://localhost",
    "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
    "moz-extension://2b4a3c1e-7d7c-4d38-a8f2-0d5c1b7a9e11",
    "app://-",
    "file://",
    "qrc://",
    "null",
]


@pytest.mark.parametrize("origin", SHELLS)
async def test_origin_of_a_native_shell_passes_where_it_is_allowed(origin: str) -> None:
    assert await passes(origin, allowed=[origin])
    assert not await passes(origin, allowed=[other for other in SHELLS if other != origin])


OWN = [
    ("http://10.0.2.2:8000", "10.0.2.2:8000"),
    ("https://app.example.org", "app.example.org"),
    ("https://app.example.org", "app.example.org:443"),
    ("https://app.example.org:443", "app.example.org"),
    ("http://app.example.org", "app.example.org:80"),
    ("wss://app.example.org", "app.example.org"),
    ("https://APP.example.org", "app.Example.ORG"),
    ("https://app.example.org:8443", "app.example.org:8443"),
    ("http://[::1]:8000", "[::1]:8000"),
    ("http://[0:0:0:0:0:0:0:1]:8000", "[::1]:8000"),
]


@pytest.mark.parametrize(("origin", "host"), OWN)
async def test_origin_with_host_and_port_of_the_request_passes(origin: str, host: str) -> None:
    assert await passes(origin, allowed=[], hosts=(host,))


@pytest.mark.parametrize(
    ("origin", "hosts"),
    [
        ("http://app.example.org:8000", ("app.example.org",)),
        ("https://app.example.org", ("app.example.org:8443",)),
        ("http://app.example.org", ("app.example.org:443",)),
        ("https://app.example.org", ("example.org",)),
        ("https://app.example.org", ("app.example.org", "app.example.org")),
        ("https://app.example.org", ("app.example.org:",)),
        ("https://app.example.org", ("app.example.org:443,app.example.org",)),
        ("http://[::1]:8000", ("[::2]:8000",)),
        ("capacitor://localhost", ("localhost",)),
        ("null", ("null",)),
        ("file://", ("",)),
    ],
)
async def test_origin_with_another_host_or_port_is_refused(origin: str, hosts: tuple[str, ...]) -> None:
    assert not await passes(origin, allowed=[], hosts=hosts)


REFUSED = [
    "",
    "null",
    "https://evil.example.com",
    "http://app.example.com",
    "https://app.example.com:8443",
    "https://app.example.com.evil.example",
    "https://evil.example/?https://app.example.com",
    "https://app.example.com/",
    "https://app.example.com@evil.example",
    "https://app.example.com,https://app.example.com",
    "https://xapp.example.com",
    "https://app.example.com:0443000",
    "https://",
    "app.example.com",
    "file://",
    "file://:80",
    "http://[",
    "http://[::1::]",
    "http://app.example.com:notaport",
    "\xff\xfe",
]


@pytest.mark.parametrize("origin", REFUSED)
async def test_other_origin_is_refused(origin: str) -> None:
    assert not await passes(origin, allowed=["https://app.example.com"])


async def test_several_origins_are_refused() -> None:
    assert not await passes("https://app.example.com", "https://app.example.com")
    assert not await passes("https://app.example.com", "https://app.example.com", allowed=["*"])


@pytest.mark.parametrize("origin", ["https://evil.example.com", "null", "file://", "no URL"])
async def test_any_origin_passes_when_all_are_allowed(origin: str) -> None:
    assert await passes(origin, allowed=["*"])


async def test_empty_origin_is_refused_when_all_are_allowed() -> None:
    assert not await passes("", allowed=["*"])


@pytest.mark.parametrize(
    ("origin", "advice"),
    [
        ("", "should send the origin of its page"),
        ("no URL", "should send the origin of its page"),
        ("null", "add the word null"),
        ("https://secret.example", "such as https://app.example.com"),
        ("secret://secret", "such as capacitor://localhost"),
        ("http://served.example:8000", "of served.example, which ALLOWED_HOSTS has"),
        ("https://a.wild.example", "such as https://app.wild.example"),
    ],
)
async def test_first_refusal_of_a_kind_is_logged_with_how_to_allow_it(
    origin: str, advice: str, caplog: pytest.LogCaptureFixture
) -> None:
    application = AllowedOrigins(accept, ALLOWED, SERVED)

    for _ in range(3):
        assert not await passes_through(application, origin)

    [record] = caplog.records
    assert advice in record.getMessage()
    assert "secret" not in record.getMessage()
    assert "no URL" not in record.getMessage()


async def test_each_kind_of_refusal_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    application = AllowedOrigins(accept, ALLOWED, SERVED)

    for origin in ("", "null", "https://one.example", "https://two.example", "ionic://one", "https://served.example"):
        assert not await passes_through(application, origin)

    assert len(caplog.records) == 5


async def test_refuse_closes_before_accepting() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await refuse({}, None, send)
    assert sent == [{"type": "websocket.close"}]
