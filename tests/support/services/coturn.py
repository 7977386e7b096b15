"""A real coturn that takes credentials of the TURN REST scheme."""

import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import randbelow

from tests.support.services import process

# Below the range from which the kernel hands out ports of its own.
FIRST_RELAY_PORT, LAST_RELAY_PORT = 20_000, 32_000
RELAY_PORTS_EACH = 200
BINDING_REQUEST = bytes.fromhex("0001 0000 2112a442")  # RFC 8489, section 5
BINDING_SUCCESS = bytes.fromhex("0101")
ANSWER_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Coturn:
    """A running coturn: where it listens, on UDP and TCP, and the secrets whose credentials it takes."""

    port: int
    secrets: tuple[str, ...]
    host: str = "127.0.0.1"

    def url(self, transport: str) -> str:
        """Return a URL for `TURN_URLS`; `transport` is udp or tcp."""
        return f"turn:{self.host}:{self.port}?transport={transport}"


@contextmanager
def coturn(secrets: Sequence[str], certificate: Path | None = None) -> Iterator[Coturn]:
    """Run a coturn that shares `secrets` while the block runs.

    With `certificate`, a PEM file that holds its key too, the same port also speaks TLS.
    """
    program = process.executable("turnserver", "coturn")
    with tempfile.TemporaryDirectory(prefix="securecall-coturn-") as name:
        directory = Path(name)

        def start_on(port: int) -> tuple[int, subprocess.Popen[bytes]]:
            config = directory / "turnserver.conf"
            config.write_text(_config(port, secrets, directory, certificate))
            command = [program, "-c", str(config)]
            return port, process.start(command, directory / "coturn.log", lambda _: answers(port))

        port, server = process.on_free_port(start_on)
        try:
            yield Coturn(port, tuple(secrets))
        finally:
            process.stop(server)


def _config(port: int, secrets: Sequence[str], directory: Path, certificate: Path | None) -> str:
    first_relay_port = FIRST_RELAY_PORT + randbelow(LAST_RELAY_PORT - FIRST_RELAY_PORT - RELAY_PORTS_EACH)
    lines = [
        "listening-ip=127.0.0.1",
        f"listening-port={port}",
        "relay-ip=127.0.0.1",
        f"min-port={first_relay_port}",
        f"max-port={first_relay_port + RELAY_PORTS_EACH}",
        # Without this coturn refuses to relay between two peers on one machine.
        "allow-loopback-peers",
        "use-auth-secret",
        *(f"static-auth-secret={secret}" for secret in secrets),
        "realm=securecall.test",
        *((f"cert={certificate}", f"pkey={certificate}") if certificate else ("no-tls",)),
        "no-dtls",
        "no-cli",
        "no-rfc5780",
        "log-file=stdout",
        f"userdb={directory / 'users.sqlite'}",
        f"pidfile={directory / 'coturn.pid'}",
    ]
    return "".join(f"{line}\n" for line in lines)


def answers(port: int) -> bool:
    """Return whether coturn answers a STUN binding request on UDP and listens on TCP."""
    transaction_id = os.urandom(12)
    try:
        socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS).close()
        with socket.socket(type=socket.SOCK_DGRAM) as udp:
            udp.settimeout(ANSWER_SECONDS)
            udp.connect(("127.0.0.1", port))
            udp.send(BINDING_REQUEST + transaction_id)
            answer = udp.recv(2048)
    except OSError:
        return False
    return answer.startswith(BINDING_SUCCESS) and answer[8:20] == transaction_id
