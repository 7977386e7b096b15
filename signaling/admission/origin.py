"""The origin check of opening handshakes: browsers and native shells send an origin, other native apps none."""

import logging
from collections.abc import Iterable
from typing import Any

from signaling.admission.origin_rules import (
    NULL,
    Origin,
    example_of,
    has_authority,
    includes,
    page_hosts,
    parse_origin,
    parse_rule,
)
from signaling.telemetry.counters import ORIGIN_NOT_ALLOWED, counters

logger = logging.getLogger(__name__)

# No sentence repeats what a client sent: each says how to allow origins of this kind.
NO_ORIGIN = (
    "Refused a connection whose Origin header is empty or no origin: its client should send the origin of its page, "
    "or no such header."
)
NULL_ORIGIN = (
    "Refused a page with the origin null, which browsers send for files and for sandboxed frames: if it is yours, add "
    "the word null to ALLOWED_ORIGINS, which lets those of everybody in."
)
OTHER_PAGE = (
    "Refused a web page whose origin is not in ALLOWED_ORIGINS: if it is yours, add its scheme, host and port, such "
    "as https://app.example.com."
)
OTHER_SCHEME = (
    "Refused an app or extension whose origin is not in ALLOWED_ORIGINS: if it is yours, add what it sends, such as "
    "capacitor://localhost, chrome-extension://ID or file://."
)


class AllowedOrigins:
    """Let no origin, the request's own host and what is allowed pass; refuse every other origin with 403.

    `allowed` are the entries of ALLOWED_ORIGINS: `*` allows all, and `*` as a port any port. `hosts` are those of
    ALLOWED_HOSTS. Channels' own validator refuses clients without an origin, and answers one that is no URL with 500.
    """

    def __init__(self, application: Any, allowed: list[str], hosts: Iterable[str]) -> None:
        self._application = application
        self._allows_all = "*" in allowed
        self._allowed = {parse_rule(rule) for rule in allowed}
        self._page_hosts = page_hosts(hosts)
        self._logged: set[str] = set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass an opening handshake on to the application, or refuse it."""
        named = _values(scope, b"origin")
        if not named or (len(named) == 1 and self._allows(named[0], _values(scope, b"host"))):
            await self._application(scope, receive, send)
            return
        counters.connections_refused[ORIGIN_NOT_ALLOWED] += 1
        self._log_first(self._explain(parse_origin(named[0]) if len(named) == 1 else None))
        await refuse(scope, receive, send)

    def _allows(self, text: str, hosts: list[str]) -> bool:
        if self._allows_all:
            # A server may join several headers with commas, which no origin has.
            return bool(text) and "," not in text
        origin = parse_origin(text)
        if origin is None:
            return False
        is_own = len(hosts) == 1 and has_authority(origin, hosts[0])
        return is_own or origin in self._allowed or origin._replace(port=None) in self._allowed

    def _explain(self, origin: Origin | None) -> str:
        if origin is None:
            return NO_ORIGIN
        if origin == NULL:
            return NULL_ORIGIN
        if not origin.is_web:
            return OTHER_SCHEME
        for entry in self._page_hosts:
            if includes(entry, origin.host):
                return (
                    f"Refused a web page of {entry}, which ALLOWED_HOSTS has, as its origin is not in ALLOWED_ORIGINS: "
                    f"add its scheme, host and port, such as {example_of(entry)}, or let the proxy in front leave the "
                    "Host header as it is."
                )
        return OTHER_PAGE

    def _log_first(self, sentence: str) -> None:
        if sentence not in self._logged:
            self._logged.add(sentence)
            logger.warning("%s More of this kind are only counted.", sentence)


async def refuse(_scope: Any, _receive: Any, send: Any) -> None:
    """Refuse an opening handshake with 403: there is no WebSocket at this path, or not for this page."""
    await send({"type": "websocket.close"})


def _values(scope: Any, header: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == header]
