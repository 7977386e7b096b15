"""Which pages may connect: a browser names its page's origin, a native app sends none."""

from typing import Any, NamedTuple
from urllib.parse import urlsplit

from signaling.counters import ORIGIN_NOT_ALLOWED, counters

DEFAULT_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """A scheme, a host and a port (RFC 6454, section 4); the port is None in a rule that allows any."""

    scheme: str
    host: str
    port: int | None


class AllowedOrigins:
    """Let a missing origin pass and refuse every other that is not allowed with 403.

    `allowed` are origins; `*` allows all, and `*` as a port any port. Channels' own validator refuses
    clients without an origin, and answers one that is no URL with 500.
    """

    def __init__(self, application: Any, allowed: list[str]) -> None:
        self._application = application
        self._allows_all = "*" in allowed
        self._allowed = {_parse_rule(rule) for rule in allowed}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass an opening handshake on, or refuse it."""
        named = [value for name, value in scope["headers"] if name == b"origin"]
        if all(self._allows(value.decode("latin-1")) for value in named):
            await self._application(scope, receive, send)
        else:
            counters.connections_refused[ORIGIN_NOT_ALLOWED] += 1
            await refuse(scope, receive, send)

    def _allows(self, text: str) -> bool:
        if self._allows_all:
            return True
        origin = _parse(text)
        return origin is not None and (origin in self._allowed or origin._replace(port=None) in self._allowed)


async def refuse(_scope: Any, _receive: Any, send: Any) -> None:
    """Refuse an opening handshake with 403: there is no WebSocket at this path, or not for this page."""
    await send({"type": "websocket.close"})


def _parse_rule(text: str) -> Origin | None:
    origin = _parse(text.removesuffix(":*"))
    return origin._replace(port=None) if origin and text.endswith(":*") else origin


def _parse(text: str) -> Origin | None:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname or parts.username or parts.path or parts.query or parts.fragment:
        return None
    return Origin(parts.scheme, parts.hostname, port or DEFAULT_PORTS.get(parts.scheme, 0))
