"""Allocations on a real coturn, and what is said when there is none to be had."""

import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.support.services import Coturn, coturn
from turn.allocation import AllocationError, UnsupportedTransportError, allocate, reach
from turn.credentials import Credential, mint
from turn.urls import ServerUrl

SECRET = "the secret of the relay with a certificate"
SECONDS = 5
SOON = 0.3


def credential_of(secret: str) -> Credential:
    return mint(secret, "alice", int(time.time()) + 3600)


async def failure(url: str, secret: str = SECRET, seconds: float = SECONDS) -> str:
    """The sentence with which an allocation fails."""
    with pytest.raises(AllocationError) as failed:
        await allocate(url, credential_of(secret), seconds)
    return str(failed.value)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls_relay(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    certificate = tmp_path_factory.mktemp("relay") / "relay.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    # Coturn gives up root's rights before it reads it.
    certificate.chmod(0o644)
    with coturn([SECRET], certificate) as relay:
        yield relay


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes datagrams, and where TCP waits in the backlog; nobody answers."""
    while True:
        with socket.socket(type=socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind(("127.0.0.1", 0))
            try:
                tcp.bind(udp.getsockname())
            except OSError:
                # A port that is free for datagrams may be taken for TCP.
                continue
            tcp.listen()
            yield udp.getsockname()[1]
            return


@pytest.fixture
def mail_port() -> Iterator[int]:
    """A port whose server talks first, and no TLS, as mail servers do."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(b"220 mail.example.com ESMTP\r\n")
                while connection.recv(1024):
                    pass

        thread = threading.Thread(target=greet)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_allocation_tells_how_long_it_took(coturn_server: Coturn, transport: str) -> None:
    allocation = await allocate(coturn_server.url(transport), credential_of(coturn_server.secrets[0]), seconds=SECONDS)

    assert 0 < allocation.milliseconds < SECONDS * 1000
    assert allocation.warning == ""


async def test_allocation_over_tls_checks_the_certificate(
    tls_relay: Coturn, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"turns:127.0.0.1:{tls_relay.port}?transport=tcp"
    assert "certificate of 127.0.0.1" in await failure(url)

    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))

    assert (await allocate(url, credential_of(SECRET), SECONDS)).milliseconds > 0


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_wrong_secret_is_told_from_everything_else(coturn_server: Coturn, transport: str) -> None:
    sentence = await failure(coturn_server.url(transport), "a secret of somebody else's")

    assert "refuses the credential (401)" in sentence
    assert "TURN_SECRET" in sentence


async def test_closed_tcp_port_is_named() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]

        assert await failure(f"turn:127.0.0.1:{port}?transport=tcp") == (
            f"Nothing listens on 127.0.0.1:{port} over TCP: start the TURN server, or correct the port."
        )


@pytest.mark.parametrize(("scheme", "transport", "way"), [("turn", "udp", "UDP"), ("turn", "tcp", "TCP")])
async def test_silence_is_told_as_such(silent_port: int, scheme: str, transport: str, way: str) -> None:
    sentence = await failure(f"{scheme}:127.0.0.1:{silent_port}?transport={transport}", seconds=SOON)

    assert sentence.startswith(f"127.0.0.1:{silent_port} did not answer over {way} within 0.3 s:")


async def test_unknown_name_is_told_as_such() -> None:
    # RFC 6761, section 6.4: this name never exists.
    assert "The name turn.invalid cannot be found" in await failure("turn:turn.invalid:3478?transport=tcp")


async def test_server_without_tls_is_told_as_such(mail_port: int) -> None:
    assert "does not speak TLS" in await failure(f"turns:127.0.0.1:{mail_port}?transport=tcp")


async def test_dtls_is_not_tried() -> None:
    with pytest.raises(UnsupportedTransportError, match="DTLS"):
        await allocate("turns:127.0.0.1:5349?transport=udp", credential_of(SECRET), SECONDS)


@pytest.mark.parametrize("url", ["http://turn.example.com", "turn:", "turn:host:port", "turn:host?transport=sctp"])
async def test_other_urls_are_refused(url: str) -> None:
    assert re.match(r"This is no TURN URI; write one such as turn:", await failure(url))


@pytest.mark.parametrize(
    ("address", "relayed", "warns"),
    [
        ("8.8.8.8", "10.0.0.5", True),
        ("2001:4860:4860::8888", "fd00::5", True),
        ("8.8.8.8", "8.8.4.4", False),
        ("10.0.0.4", "10.0.0.5", False),
        ("fe80::1%eth0", "10.0.0.5", False),
    ],
)
def test_public_server_with_a_private_relay_address_is_warned_of(address: str, relayed: str, warns: bool) -> None:  # noqa: FBT001
    warning = reach(ServerUrl.parse("turn:turn.example.com"), {address}, relayed)

    assert ("set coturn's external-ip" in warning) is warns
