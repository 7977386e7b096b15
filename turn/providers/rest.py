"""Post JSON to a provider's API and read its answer; no error repeats the URL, a header or the answer."""

import http.client
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from turn.pool import ProviderError

T = TypeVar("T")

# In all: whoever waits is a thread of its own, or an operator.
ANSWER_SECONDS = 10.0
MAX_ANSWER_BYTES = 65_536
CHUNK_BYTES = 8192

HINTS = {401: "check TURN_SECRET", 403: "check TURN_SECRET", 404: "check TURN_API_URL and TURN_KEY_ID"}


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the secret goes where the settings say, and nowhere else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Leave the answer as it is, which is an error then."""


opener = urllib.request.build_opener(NoRedirects)


def post(url: str, body: Mapping[str, object], headers: Mapping[str, str], answer: type[T]) -> T:
    """Post `body` and decode the answer; raises `ProviderError`, which says why in words without a secret."""
    sent = {"Content-Type": "application/json", "Accept": "application/json", **headers}
    try:
        request = urllib.request.Request(url, msgspec.json.encode(body), sent, method="POST")  # noqa: S310  # of the settings
        with opener.open(request, timeout=ANSWER_SECONDS) as response:
            return msgspec.json.decode(_read(response), type=answer)
    except urllib.error.HTTPError as error:
        error.close()
        hint = HINTS.get(error.code)
        raise ProviderError(f"it answers {error.code}{f': {hint}' if hint else ''}") from None
    except (OSError, http.client.HTTPException) as error:
        raise ProviderError(_words_for(error)) from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise ProviderError("its answer is not what its API documents") from None
    except ValueError:
        # Of a URL or a header, which it repeats: the secret is in one of them.
        raise ProviderError("the request cannot be sent: check TURN_API_URL and TURN_SECRET") from None


def _read(response: Any) -> bytes:
    """Read an answer of a bounded length, in a bounded time."""
    deadline = time.monotonic() + ANSWER_SECONDS
    read = bytearray()
    while chunk := response.read1(CHUNK_BYTES):
        read += chunk
        if len(read) > MAX_ANSWER_BYTES:
            raise ProviderError("its answer is too long")
        if time.monotonic() > deadline:
            raise TimeoutError
    return bytes(read)


def _words_for(error: Exception) -> str:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return f"it did not answer within {ANSWER_SECONDS:g} s"
    if isinstance(cause, socket.gaierror):
        return "its name cannot be found: check TURN_API_URL and DNS"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return "its TLS certificate is not trusted"
    if isinstance(cause, OSError):
        return f"it cannot be reached ({cause.strerror or type(cause).__name__})"
    return f"it cannot be reached ({type(cause).__name__})"
