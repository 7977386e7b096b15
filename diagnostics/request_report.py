"""A request as the server sees it: what `doctor` asks for through a proxy, and proves by SECRET_KEY that it may."""

from collections.abc import Iterable

import msgspec
from django.core import signing

PATH = "/seen"
SALT = "securecall.seen"
# The clocks of the two may differ.
TOKEN_SECONDS = 300
# The headers by which proxies tell of a client, and of the request that they had.
TOLD = (
    "host",
    "x-forwarded-for",
    "x-real-ip",
    "forwarded",
    "x-client-ip",
    "cf-connecting-ip",
    "true-client-ip",
    "fly-client-ip",
    "x-forwarded-proto",
    "via",
)


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """Where a request came from, what it said of its client, and whom the server takes it for."""

    peer: str
    is_trusted: bool
    header: str
    counts_for: str
    is_secure: bool
    headers: list[tuple[str, str]]


def make_token() -> str:
    """Make a token that is good for some minutes, at a server with the same SECRET_KEY."""
    return signing.TimestampSigner(salt=SALT).sign("doctor")


def is_good(token: str) -> bool:
    """Return whether a token was made so, and lately."""
    try:
        signing.TimestampSigner(salt=SALT).unsign(token, max_age=TOKEN_SECONDS)
    except signing.BadSignature:
        return False
    return True


def told(headers: Iterable[tuple[str, str]], also: str) -> list[tuple[str, str]]:
    """Return the headers that tell of a client, with the one that the settings name."""
    return [(name.lower(), value) for name, value in headers if name.lower() in {*TOLD, also} - {""}]
