"""Failures between a client and a server, each as one sentence that says what to look at."""

import errno
import socket
import ssl
from urllib.parse import urlsplit

from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI, WebSocketException

from securecall_client import ClosedError, InvalidFrameError

TLS_SCHEMES = frozenset({"wss", "https"})
FORBIDDEN, NOT_FOUND = 403, 404
GATEWAY_ERRORS = frozenset({502, 503, 504})
STATUSES = {
    200: "what answers there is a web page and no WebSocket; correct the path",
    401: "a proxy before the server asks for a password",
    426: "a proxy before the server does not pass the WebSocket upgrade on",
    429: "a proxy before the server limits how often you may connect",
}

# PROTOCOL.md, "Connection life".
CLOSES = {
    1006: "without a close frame: the server ended, or something in between cut the connection",
    1009: "because a frame was too long",
    1011: "because of a bug in the server: look into its log",
    1012: "because the server stops or deploys: try again",
    4408: "because it heard nothing for too long",
    4409: "because the same client ID registered on another connection",
    4429: "because it had too much from this address or connection: look at the server's LIMIT_ settings",
    4503: "because an operator disconnected the client",
    4507: "because this client did not read fast enough",
}


class ProbeError(Exception):
    """The server did not do what it should; the text is one plain sentence."""


class WrongAnswerError(ProbeError):
    """A message came, and it was not the one that the protocol demands."""


class RefusedError(WrongAnswerError):
    """The server answered a request with `ERROR`."""

    def __init__(self, expected: str, code: str, message: str) -> None:
        """Name what was to come, and the error's two fields."""
        super().__init__(f"Instead of {expected} came ERROR {code}: {message}")
        self.code = code


def sentence(error: Exception, url: str, seconds: float, origin: str | None = None) -> str:
    """Say what `error`, met at `url` within `seconds` and with this Origin, means and what to look at."""
    place = place_of(url)
    match error:
        case ProbeError() | InvalidFrameError():
            text = str(error)
        case InvalidStatus():
            text = f"{place} refused the connection with HTTP {_status(error.response.status_code, url, origin)}."
        case InvalidURI():
            text = "The URL must be complete, such as wss://signal.example.com/signal."
        case InvalidHandshake():
            text = f"{place} answered, but not as a WebSocket server: check host, port and path, and ws:// or wss://."
        case ClosedError():
            text = f"The connection was closed with {error.code} {close_reason(error)}."
        case WebSocketException():
            text = f"{place} broke the WebSocket protocol ({error})."
        case OSError():
            text = unreachable(error, url, seconds)
        case _:
            raise error
    return text


def unreachable(error: OSError, url: str, seconds: float) -> str:
    """Say why no connection to the host of `url` came about within `seconds`."""
    place = place_of(url)
    match error:
        case TimeoutError():
            # A server that waits for the end of a request line takes a TLS handshake for its beginning.
            plain = " Or is TLS not served there? Then use ws://." if urlsplit(url).scheme in TLS_SCHEMES else ""
            text = f"{place} did not answer within {seconds:g} s: is the server up, does a firewall block you?{plain}"
        case socket.gaierror():
            text = f"The name {urlsplit(url).hostname} cannot be found: check its spelling and its DNS record."
        case ssl.SSLCertVerificationError():
            text = f"The TLS certificate of {place} is not trusted ({error.verify_message}): renew or replace it."
        case ssl.SSLError():
            text = f"{place} does not speak TLS: use ws:// in place of wss://, or the port where TLS is served."
        case ConnectionResetError() | BrokenPipeError():
            text = f"{place} cut the connection: look into the log of the server, and of the proxy before it."
        case _ if _is_refused(error):
            text = f"Nothing listens on {place}: start the server, or correct host and port."
        case _:
            text = f"{place} cannot be reached ({error.strerror or error})."
    return text


def close_reason(closed: ClosedError) -> str:
    """Return what a close code means, and the reason that the server gave."""
    given = f' ("{closed.reason}")' if closed.reason else ""
    return CLOSES.get(closed.code, "before it should have been") + given


def place_of(url: str) -> str:
    """The host and port that `url` leads to."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or (443 if parts.scheme in TLS_SCHEMES else 80)}"


def _status(status: int, url: str, origin: str | None) -> str:
    path = urlsplit(url).path or "/"
    if status == FORBIDDEN and origin is not None:
        return f"{status}: ALLOWED_ORIGINS lacks {origin}, or the path {path} is not the server's"
    if status in {FORBIDDEN, NOT_FOUND}:
        return f"{status}: there is no signaling at the path {path}; the server's is /signal"
    if status in GATEWAY_ERRORS:
        return f"{status}: the proxy is there, but the server behind it is not"
    return f"{status}: {STATUSES.get(status, 'check host, port and path, and look into the log of the server')}"


def _is_refused(error: OSError) -> bool:
    # Of several addresses that all refuse, asyncio makes one error without a number.
    return error.errno == errno.ECONNREFUSED or f"[Errno {errno.ECONNREFUSED}]" in str(error)
