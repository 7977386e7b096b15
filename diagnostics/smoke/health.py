"""The health check, which is plain HTTP beside the WebSocket."""

import http.client
import json
import ssl
import urllib.error
import urllib.request
from urllib.parse import urlsplit, urlunsplit

from diagnostics.failures import ProbeError, place_of, unreachable

HEALTHY = {"status": "ok"}
LONGEST_ANSWER = 1000


def health_url(url: str) -> str:
    """Return the address of the health check of the server at `url` (ws:// or wss://): beside /signal."""
    parts = urlsplit(url)
    scheme = {"ws": "http", "wss": "https"}[parts.scheme]
    return urlunsplit((scheme, parts.netloc, parts.path.removesuffix("/").rpartition("/")[0] + "/health", "", ""))


def check_health(url: str, seconds: float) -> None:
    """Ask for the health of the server at `url`; raises `ProbeError` unless it is well. Blocks."""
    address = health_url(url)
    try:
        # With a context of its own: the library keeps its first one, and with it the authorities of that time.
        context = ssl.create_default_context() if address.startswith("https:") else None
        with urllib.request.urlopen(address, timeout=seconds, context=context) as response:  # noqa: S310 - see above
            answer = response.read(LONGEST_ANSWER)
    except urllib.error.HTTPError as error:
        with error:
            raise ProbeError(
                f"{address} answered HTTP {error.code}: check host and port, and the log of the server."
            ) from None
    except http.client.HTTPException:
        raise ProbeError(f"{place_of(url)} does not answer plain HTTP: use wss:// if TLS is served there.") from None
    except urllib.error.URLError as error:
        reason = error.reason if isinstance(error.reason, OSError) else error
        raise ProbeError(unreachable(reason, url, seconds)) from None
    except OSError as error:
        raise ProbeError(unreachable(error, url, seconds)) from None
    if not _is_healthy(answer):
        raise ProbeError(f'{address} did not answer {{"status":"ok"}}: is this a SecureCall server?')


def _is_healthy(answer: bytes) -> bool:
    try:
        return bool(json.loads(answer) == HEALTHY)
    except ValueError:
        return False
