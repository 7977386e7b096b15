"""Plain HTTP beside the WebSocket: the address of a path there, and one GET whose failure is a sentence."""

import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

from diagnostics.failures import ProbeError, place_of, unreachable

LONGEST_ANSWER = 20_000


class Unredirected(urllib.request.HTTPRedirectHandler):
    """Returns a redirect as an answer like any other: following one would tell of another request."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """Follow nothing."""


class StatusError(ProbeError):
    """The answer was another status than 200."""

    def __init__(self, address: str, status: int) -> None:
        super().__init__(f"{address} answered HTTP {status}: check host and port, and the log of the server.")
        self.status = status


def beside(url: str, path: str) -> str:
    """Return the address of a path of the server at `url` (ws:// or wss://): beside /signal."""
    parts = urlsplit(url)
    scheme = {"ws": "http", "wss": "https"}[parts.scheme]
    return urlunsplit((scheme, parts.netloc, parts.path.removesuffix("/").rpartition("/")[0] + path, "", ""))


def get(address: str, url: str, seconds: float, headers: Mapping[str, str] | None = None) -> bytes:
    """Return the body of a GET of `address`, which is beside `url`; raises `ProbeError`. Blocks."""
    # With a context of its own: the library keeps its first one, and with it the authorities of that time.
    context = ssl.create_default_context() if address.startswith("https:") else None
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), Unredirected)
    try:
        request = urllib.request.Request(address, headers=dict(headers or {}))  # noqa: S310 -- see `beside`
        with opener.open(request, timeout=seconds) as response:
            body: bytes = response.read(LONGEST_ANSWER)
            return body
    except urllib.error.HTTPError as error:
        with error:
            raise StatusError(address, error.code) from None
    except http.client.HTTPException:
        raise ProbeError(f"{place_of(url)} does not answer plain HTTP: use wss:// if TLS is served there.") from None
    except urllib.error.URLError as error:
        reason = error.reason if isinstance(error.reason, OSError) else error
        raise ProbeError(unreachable(reason, url, seconds)) from None
    except OSError as error:
        raise ProbeError(unreachable(error, url, seconds)) from None
