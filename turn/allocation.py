"""Try a TURN server as a client would: make an allocation, time it, and give it back (RFC 8656)."""

import asyncio
import socket
import ssl
import time
from dataclasses import dataclass
from ipaddress import ip_address

from aioice.stun import TransactionError
from aioice.turn import create_turn_endpoint

from turn.credentials import Credential
from turn.urls import ServerUrl

UNAUTHORIZED = 401
# RFC 8656, section 19, and RFC 8489, section 14.8: what a server that answers may say.
REFUSALS = {
    UNAUTHORIZED: (
        "refuses the credential (401): make TURN_SECRET the same as the TURN server's secret, and check that both "
        "clocks are right"
    ),
    403: "forbids the allocation (403): look at the TURN server's rules for who may relay",
    441: "refuses the credential (441): it belongs to another allocation",
    442: "does not relay UDP (442): look at the TURN server's configuration",
    486: "has reached its quota of allocations (486): raise it, or wait until other calls have ended",
    508: "has no relay ports left (508): widen the TURN server's range of relay ports",
}


class AllocationError(Exception):
    """The allocation failed; the text is a sentence that says what to look at."""


class UnsupportedTransportError(AllocationError):
    """The URL's transport cannot be tried from here, though a browser may know it."""


@dataclass(frozen=True, slots=True)
class Allocation:
    """A successful allocation: how long it took, and a sentence if peers may not reach its relay address."""

    milliseconds: float
    warning: str = ""


class _Receiver(asyncio.DatagramProtocol):
    """Sets an event once the allocation has been given back; no data comes."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    def connection_lost(self, _error: Exception | None) -> None:
        self.gone.set()


async def allocate(url: str, credential: Credential, seconds: float) -> Allocation:
    """Allocate a relay address at `url`, and give it back.

    Raises `AllocationError` when there is none after `seconds`. A TLS certificate is checked against the
    system's authorities, or those in SSL_CERT_FILE.
    """
    server = _parse(url)
    if server.is_tls and server.transport == "udp":
        raise UnsupportedTransportError(
            "TURN over DTLS cannot be tried from here, and browsers speak TLS over TCP in its place: write "
            "transport=tcp, if that is served."
        )
    begin = time.perf_counter()
    try:
        async with asyncio.timeout(seconds):
            endpoint, receiver = await create_turn_endpoint(
                _Receiver,
                (server.host, server.port),
                credential.username,
                credential.password,
                ssl=ssl.create_default_context() if server.is_tls else None,
                transport=server.transport,
            )
    except (OSError, TransactionError) as error:
        # The library closes its socket in the loop's next round.
        await asyncio.sleep(0)
        raise AllocationError(_sentence(error, server, seconds)) from error
    milliseconds = (time.perf_counter() - begin) * 1000
    relayed: str = endpoint.get_extra_info("sockname")[0]
    endpoint.close()
    try:
        async with asyncio.timeout(seconds):
            await receiver.gone.wait()
            addresses = await asyncio.get_running_loop().getaddrinfo(server.host, server.port)
    except TimeoutError:
        raise AllocationError(f"{server} gave a relay address but did not take it back within {seconds:g} s.") from None
    return Allocation(milliseconds, reach(server, {str(address[4][0]) for address in addresses}, relayed))


def _parse(url: str) -> ServerUrl:
    try:
        server = ServerUrl.parse(url)
    except ValueError:
        server = None
    if server is None or not server.is_turn:
        raise AllocationError("This is no TURN URI; write one such as turn:turn.example.com:3478?transport=udp.")
    return server


def reach(server: ServerUrl, addresses: set[str], relayed: str) -> str:
    """Return a warning if a public server relays from a private address, as one behind NAT does unless it is told."""
    is_public = any(ip_address(address.partition("%")[0]).is_global for address in addresses)
    if not is_public or ip_address(relayed).is_global:
        return ""
    return f"{server} relays from a private address, which no peer outside reaches: set coturn's external-ip."


def _sentence(error: Exception, server: ServerUrl, seconds: float) -> str:
    match error:
        case TransactionError(response=response) if response is not None:
            code = response.attributes.get("ERROR-CODE", (0, ""))[0]
            text = f"{server} {REFUSALS.get(code, f'refuses the allocation ({code}): look into its log')}."
        case TimeoutError() | TransactionError():
            text = (
                f"{server} did not answer over {server.way} within {seconds:g} s: check that a TURN server listens "
                "there, and that no firewall is in between."
            )
        case socket.gaierror():
            text = f"The name {server.host} cannot be found: check its spelling and its DNS record."
        case ssl.SSLCertVerificationError():
            text = f"The TLS certificate of {server} is not trusted ({error.verify_message}): renew or replace it."
        case ssl.SSLError():
            text = f"{server} does not speak TLS: use turn: in place of turns:, or the port where TLS is served."
        case ConnectionRefusedError():
            text = f"Nothing listens on {server} over {server.way}: start the TURN server, or correct the port."
        case OSError():
            text = f"{server} cannot be reached over {server.way} ({error.strerror or error})."
        case _:
            raise error
    return text
