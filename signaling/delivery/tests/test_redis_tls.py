"""A Redis that asks for client certificates, which is its default with TLS."""

import asyncio
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from signaling.delivery.redis_link import RedisLink
from signaling.delivery.redis_url import RedisUrl
from signaling.delivery.tests.test_redis_link import linked
from signaling.protocol.errors import UnavailableError
from tests.support.services import redis_server
from tests.support.services.process import free_port

DAY = timedelta(days=1)
Issuer = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def issue(directory: Path, name: str, issuer: Issuer | None = None) -> Issuer:
    """Write NAME.crt and NAME.key: an authority, or a certificate for the host of this name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        subject_name=subject,
        issuer_name=issuer[0].subject if issuer else subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - DAY,
        not_valid_after=now + DAY,
    )
    signer = issuer[1] if issuer else key
    usage = x509.KeyUsage(not issuer, False, False, False, False, not issuer, not issuer, False, False)  # noqa: FBT003
    if issuer is None:
        builder = builder.add_extension(usage, critical=True)
    builder = builder.add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    certificate = builder.add_extension(authority, critical=False).sign(signer, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (directory / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (directory / f"{name}.key").write_bytes(private)
    return certificate, key


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory: Path = tmp_path_factory.mktemp("tls")
    authority = issue(directory, "authority")
    issue(directory, "localhost", authority)
    issue(directory, "client", authority)
    return directory


@pytest.fixture(scope="module")
def address(files: Path) -> Iterator[str]:
    """Host, port and the authority of a Redis with TLS."""
    port = free_port()
    with redis_server(
        tls_port=str(port),
        tls_cert_file=str(files / "localhost.crt"),
        tls_key_file=str(files / "localhost.key"),
        tls_ca_cert_file=str(files / "authority.crt"),
    ):
        yield f"localhost:{port}/1?ssl_ca_certs={files}/authority.crt"


async def test_client_certificate_of_the_url_is_shown(files: Path, address: str) -> None:
    url = f"rediss://{address}&ssl_certfile={files}/client.crt&ssl_keyfile={files}/client.key"
    async with linked(url) as link:
        assert await link.call("ECHO", "private") == b"private"


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        # A server that answers HELLO with a reset may take its alert back.
        ("", ("TLS: TLSV13_ALERT_CERTIFICATE_REQUIRED", "TLS: closed after the handshake, as by a server that asks")),
        ("&ssl_certfile={files}/client.crt&ssl_keyfile={files}/client.key&host", ("TLS: IP address mismatch",)),
    ],
)
async def test_reason_is_named_when_tls_fails(
    files: Path, address: str, change: str, reasons: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    wrong_host = change.endswith("&host")
    where = address.replace("localhost:", "127.0.0.1:") if wrong_host else address
    async with linked(f"rediss://{where}{change.removesuffix('&host').format(files=files)}") as link:
        assert not link.is_up
    (line,) = [record.getMessage() for record in caplog.records if record.name.startswith("signaling.delivery")]
    assert line.removeprefix("Redis is away (").startswith(reasons)


async def test_server_that_closes_after_the_handshake_may_ask_for_a_certificate(
    files: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(files / "localhost.crt", files / "localhost.key")
    async with await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=tls) as server:
        port = server.sockets[0].getsockname()[1]
        async with linked(f"rediss://localhost:{port}/0?ssl_ca_certs={files}/authority.crt") as link:
            assert not link.is_up
    assert "Redis is away (TLS: closed after the handshake, as by a server that asks for a client" in caplog.text


async def test_host_name_is_not_compared_when_the_url_says_so(files: Path, address: str) -> None:
    where = address.replace("localhost:", "127.0.0.1:")
    url = f"rediss://{where}&ssl_certfile={files}/client.crt&ssl_keyfile={files}/client.key"
    for waiver in ("ssl_check_hostname=false", "ssl_cert_reqs=none"):
        async with linked(f"{url}&{waiver}") as link:
            assert link.is_up


def test_files_that_cannot_be_used_are_an_error(files: Path) -> None:
    for certificate in ("missing.crt", "authority.key"):
        url = RedisUrl.parse(f"rediss://localhost?ssl_certfile={files}/{certificate}&ssl_keyfile={files}/client.key")
        with pytest.raises(OSError):  # noqa: PT011 -- of any kind
            url.tls_context()


async def test_link_to_an_address_without_tls_has_no_context() -> None:
    assert RedisUrl.parse("redis://localhost").tls_context() is None
    link = RedisLink("redis://localhost:1", lambda *_: None)
    with pytest.raises(UnavailableError):
        await link.call("PING")
