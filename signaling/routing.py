"""Where WebSockets go."""

from typing import Any

from channels.routing import URLRouter
from django.conf import settings
from django.urls import path, re_path

from signaling.admission.origin import AllowedOrigins, refuse
from signaling.consumers import SignalConsumer
from signaling.telemetry.counters import UNKNOWN_PATH, counters


async def refuse_path(scope: Any, receive: Any, send: Any) -> None:
    """Refuse an opening handshake at any other path."""
    counters.connections_refused[UNKNOWN_PATH] += 1
    await refuse(scope, receive, send)


# Django's types know views only.
signal_application: Any = SignalConsumer.as_asgi()
refusal: Any = refuse_path
routes: list[Any] = [
    path("signal", signal_application),
    path("signal/", signal_application),
    # Without this an unknown path is an exception, and the client sees 500.
    re_path("", refusal),
]
websocket_application = AllowedOrigins(URLRouter(routes), settings.ALLOWED_ORIGINS, settings.ALLOWED_HOSTS)
