"""Open one connection to Redis: by way of the Sentinels that `REDIS_URL` names, with TLS, user and database."""

import asyncio
import errno
import itertools
import ssl

from signaling.delivery.addresses import open_socket
from signaling.delivery.redis_protocol import OnMessage, OnRefusal, RedisProtocol, Word
from signaling.delivery.redis_refusals import RefusedError
from signaling.delivery.redis_url import Address, Login, RedisUrl
from signaling.protocol.errors import UnavailableError

# A Sentinel that says nothing for so long is passed over.
SENTINEL_SECONDS = 0.5


class NoPrimaryError(UnavailableError):
    """No Sentinel names a primary; `str` tells the operator so."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self.args = (words,)


async def connect(url: RedisUrl, on_message: OnMessage, on_refusal: OnRefusal) -> RedisProtocol:
    """Open a connection; raises `OSError`, `RefusedError`, `NoPrimaryError` or `TimeoutError`."""
    address = await _find_primary(url) if url.primary else url.servers[0]
    protocol = await _open(address, url, url.login, on_message, on_refusal)
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
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return f"TLS: {error.reason}"
    if type(error) is OSError and error.errno:
        return errno.errorcode.get(error.errno, "OSError")
    return type(error).__name__


async def _open(
    address: Address, url: RedisUrl, login: Login, on_message: OnMessage, on_refusal: OnRefusal
) -> RedisProtocol:
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
        await protocol.call(hello)
    except RefusedError:
        protocol.abort()
        raise
    except UnavailableError:
        # A server that wants a client certificate says so after the handshake.
        raise protocol.lost_by or ConnectionResetError from None
    except BaseException:
        protocol.abort()
        raise
    return protocol


async def _find_primary(url: RedisUrl) -> Address:
    """Ask one Sentinel after the other for the address of the primary."""
    outcomes = []
    for number, address in zip(itertools.count(1), url.servers, strict=False):
        try:
            async with asyncio.timeout(SENTINEL_SECONDS):
                found = await _ask(address, url)
        except (OSError, UnavailableError, TimeoutError) as error:
            outcomes.append(f"{number}: {reason_of(error)}")
            continue
        if found is not None:
            return found
        outcomes.append(f"{number}: knows no {url.primary}")
    raise NoPrimaryError(f"no Sentinel names a primary; {', '.join(outcomes)}")


async def _ask(sentinel: Address, url: RedisUrl) -> Address | None:
    protocol = await _open(sentinel, url, url.sentinel_login, lambda *_: None, lambda _: None)
    try:
        reply = await protocol.call(("SENTINEL", "GET-MASTER-ADDR-BY-NAME", url.primary))
    finally:
        protocol.abort()
    return None if reply is None else Address(reply[0].decode(), int(reply[1]))
