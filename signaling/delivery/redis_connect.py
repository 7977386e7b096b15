"""Open one connection to Redis: by way of the Sentinels that `REDIS_URL` names, with TLS, user and database."""

import asyncio
import errno
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable

from signaling.delivery.addresses import open_socket
from signaling.delivery.redis_protocol import OnMessage, OnRefusal, RedisProtocol, Word
from signaling.delivery.redis_refusals import RefusedError
from signaling.delivery.redis_url import Address, Login, RedisUrl
from signaling.protocol.errors import UnavailableError

# A Sentinel that says nothing for so long is passed over.
SENTINEL_SECONDS = 0.5
# And a server that one names, so that another may be tried.
SERVER_SECONDS = 1.0

OpenTo = Callable[[Address], Awaitable[tuple[RedisProtocol, bytes]]]


class NoPrimaryError(UnavailableError):
    """No Sentinel names a primary; `str` tells the operator so."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self.args = (words,)


class UnansweredTlsError(ConnectionResetError):
    """A server closed a connection after the TLS handshake, and what it said of it, if anything, did not arrive."""


async def connect(url: RedisUrl, on_message: OnMessage, on_refusal: OnRefusal) -> RedisProtocol:
    """Open a connection; raises `OSError`, `RefusedError`, `NoPrimaryError` or `TimeoutError`."""

    async def open_to(address: Address) -> tuple[RedisProtocol, bytes]:
        return await _open(address, url, url.login, on_message, on_refusal)

    protocol = await _find_primary(url, open_to) if url.primary else (await open_to(url.servers[0]))[0]
    if url.database:
        try:
            await protocol.call(("SELECT", url.database))
        except BaseException:
            protocol.abort()
            raise
    return protocol


def reason_of(error: Exception) -> str:
    """Name an error for the operator: in Redis' words, or without the address that an error of a socket may hold."""
    if isinstance(error, RefusedError | NoPrimaryError):
        return str(error)
    if isinstance(error, UnansweredTlsError):
        return "TLS: closed after the handshake, as by a server that asks for a client certificate"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return f"TLS: {error.reason}"
    if type(error) is OSError and error.errno:
        return errno.errorcode.get(error.errno, "OSError")
    return type(error).__name__


async def _open(
    address: Address, url: RedisUrl, login: Login, on_message: OnMessage, on_refusal: OnRefusal
) -> tuple[RedisProtocol, bytes]:
    """Open a connection to one server; returns it, and the role that the server says it has."""
    tls = url.tls_context()
    _, protocol = await asyncio.get_running_loop().create_connection(
        lambda: RedisProtocol(on_message, on_refusal),
        sock=await open_socket(*address),
        ssl=tls,
        server_hostname=None if tls is None else address.host,
    )
    hello: list[Word] = ["HELLO", 3]
    if login.password:
        hello += ["AUTH", login.username or "default", login.password]
    try:
        about: dict[bytes, bytes] = await protocol.call(hello)
    except RefusedError:
        protocol.abort()
        raise
    except UnavailableError:
        # A server that wants a client certificate says so after the handshake, while HELLO is on its way or before.
        await protocol.closed
        lost_by = protocol.lost_by or ConnectionResetError()
        raise (UnansweredTlsError() if tls and isinstance(lost_by, ConnectionError) else lost_by) from None
    except BaseException:
        protocol.abort()
        raise
    # A Sentinel says of itself that it is one, and no role.
    return protocol, about.get(b"role", b"")


async def _find_primary(url: RedisUrl, open_to: OpenTo) -> RedisProtocol:
    """Connect to the primary that most Sentinels name; in a failover, when they differ, to one that is a primary."""
    answers = await asyncio.gather(*(_ask(address, url) for address in url.servers))
    outcomes = [f"{number}: {one}" for number, one in enumerate(answers, 1) if isinstance(one, str)]
    named = Counter(one for one in answers if isinstance(one, Address))
    for address, _ in named.most_common():
        try:
            async with asyncio.timeout(SERVER_SECONDS):
                protocol, role = await open_to(address)
        except (OSError, TimeoutError) as error:
            outcomes.append(f"the one that is named: {reason_of(error)}")
            continue
        if role == b"master":
            return protocol
        protocol.abort()
        outcomes.append("the one that is named: a replica")
    raise NoPrimaryError(f"no primary by the Sentinels; {', '.join(outcomes)}")


async def _ask(sentinel: Address, url: RedisUrl) -> Address | str:
    """Ask a Sentinel for the primary's address; returns the reason where it names none."""
    try:
        async with asyncio.timeout(SENTINEL_SECONDS):
            protocol, _ = await _open(sentinel, url, url.sentinel_login, lambda *_: None, lambda _: None)
            try:
                reply = await protocol.call(("SENTINEL", "GET-MASTER-ADDR-BY-NAME", url.primary))
            finally:
                protocol.abort()
    except (OSError, UnavailableError, TimeoutError) as error:
        return reason_of(error)
    return f"knows no {url.primary}" if reply is None else Address(reply[0].decode(), int(reply[1]))
