"""The ASGI application: HTTP to Django, `/signal` to the signaling consumer. Any ASGI server runs it."""

import asyncio
import gc
import os
from typing import Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application
from django.db import connections
from django.urls import URLResolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "securecall_site.settings")
# Django must be ready before the consumers, which import models.
django_application = get_asgi_application()

from securecall_site.http_admission import RefusedError, admission, refuse  # noqa: E402
from securecall_site.urls import API, API_PATH  # noqa: E402
from signaling.cluster import node  # noqa: E402
from signaling.routing import websocket_application  # noqa: E402
from turn import ice  # noqa: E402


async def lifespan(_scope: Any, receive: Any, send: Any) -> None:
    """Start the node with the server, and let it leave when the server stops."""
    starting: asyncio.Task[object] | None = None
    while True:
        event = await receive()
        if event["type"] == "lifespan.startup":
            # The server listens meanwhile: Redis may be away, which the log says now and not at the first client.
            starting = asyncio.create_task(start_node())
        else:
            if starting is not None:
                await starting
            await node.stop()
        await send({"type": f"{event['type']}.complete"})


async def start_node() -> None:
    """Ask the TURN provider, start the node, and read bans, before its first round does."""
    ice.poll()
    (await node.current()).bans.poll()


http_admission = admission()


def load(resolver: URLResolver) -> None:
    """Import what a resolver resolves to, unless that was done."""
    list(resolver.url_patterns)


async def http(scope: Any, receive: Any, send: Any) -> None:
    """Answer an HTTP request, or refuse it where there are too many."""
    try:
        async with http_admission.admitted(scope):
            await _answer(scope, receive, send)
    except RefusedError as error:
        await refuse(error, scope, send)


async def _answer(scope: Any, receive: Any, send: Any) -> None:
    """Let Django answer, then close the database connections of the request's thread, however it ended."""
    # The outermost context decides on the thread: views, middleware and streams of this request share it.
    async with ThreadSensitiveContext():
        try:
            if scope["path"].startswith(API_PATH):
                # The event loop would wait for the import.
                await sync_to_async(load)(API)
            await django_application(scope, receive, send)
        finally:
            # Django would keep them for CONN_MAX_AGE, though the thread ends here and no other can use them.
            await sync_to_async(connections.close_all)()


application = ProtocolTypeRouter({"http": http, "websocket": websocket_application, "lifespan": lifespan})

# What the program is made of stays, so the collector leaves it alone. Closed connections are freed without it.
gc.collect()
gc.freeze()
gc.set_threshold(50_000)
