"""A proxy before a real server that tells lies of it: it exchanges answers to look-ups, and lets all else through.

Pages, files and the public log come through it as well, so that a browser's page can be opened from it; to the server
it has the host that the client opened.
"""

import asyncio
import contextlib
import http.client
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Origin

from tests.support.servers import RunningServer

Payload = dict[str, Any]
SIGNALING = "/signal"
ANSWER_SECONDS = 30
ABNORMAL = {1005, 1006, 1015}
# What a proxy may not pass on, or writes itself.
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "content-length", "date"}


class Asked(NamedTuple):
    """A look-up, as far as its answer depends on it."""

    client_id: str
    after: int
    size: int


Lie = Callable[[Asked, Payload], Payload | bytes]


def honest(_: Asked, payload: Payload) -> Payload:
    """Tell what the server says."""
    return payload


class LyingProxy:
    """A running proxy; `lie` makes the payload, or the bytes of the whole frame, of each answer to a checked look-up.

    `told` has the look-ups that were answered, in their order.
    """

    def __init__(self, port: int) -> None:
        self.lie: Lie = honest
        self.told: list[Asked] = []
        self.port = 0
        self._upstream = port

    @property
    def http_url(self) -> str:
        """Return the proxy's address, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """Return the URL that clients connect to."""
        return f"ws://127.0.0.1:{self.port}{SIGNALING}"

    async def pass_on(self, client: ServerConnection) -> None:
        """Connect a client to the server, until either of them closes."""
        request = client.request
        assert request is not None
        cookies = {name: request.headers[name] for name in ("Cookie",) if name in request.headers}
        url = f"ws://{request.headers['Host']}{request.path}"
        options: dict[str, Any] = {"compression": None, "ping_interval": None, "max_size": None, "proxy": None}
        origin = Origin(request.headers["Origin"]) if "Origin" in request.headers else None
        upstream = connect(
            url, host="127.0.0.1", port=self._upstream, origin=origin, additional_headers=cookies, **options
        )
        async with upstream as server:
            asked: dict[str, Asked] = {}
            await asyncio.gather(self._to_server(client, server, asked), self._to_client(server, client, asked))

    async def _to_server(self, client: ServerConnection, server: ClientConnection, asked: dict[str, Asked]) -> None:
        async with _closing(client, server):
            async for frame in client:
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    message = json.loads(frame)
                    payload = message["payload"]
                    if message["type"] == "PKD_LOOKUP":
                        size = payload.get("size") or 0
                        asked[payload["clientId"]] = Asked(payload["clientId"], int(payload["after"]), size)
                await server.send(frame)

    async def _to_client(self, server: ClientConnection, client: ServerConnection, asked: dict[str, Asked]) -> None:
        async with _closing(server, client):
            async for frame in server:
                message = json.loads(frame)
                question = asked.pop(message["payload"].get("clientId"), None)
                if message["type"] != "PKD_RESULT" or question is None:
                    await client.send(frame)
                    continue
                said = self.lie(question, message["payload"])
                self.told.append(question)
                lied = said if isinstance(said, bytes) else json.dumps(message | {"payload": said}).encode()
                await client.send(lied, text=True)

    async def answer(self, _: ServerConnection, request: Request) -> Response | None:
        """Answer what is no WebSocket as the server does."""
        if request.path.partition("?")[0] == SIGNALING:
            return None
        return await asyncio.to_thread(self._fetch, request)

    def _fetch(self, request: Request) -> Response:
        connection = http.client.HTTPConnection("127.0.0.1", self._upstream, timeout=ANSWER_SECONDS)
        sent = {name: value for name, value in request.headers.raw_items() if name.lower() not in HOP_BY_HOP}
        with contextlib.closing(connection):
            connection.request("GET", request.path, headers=sent)
            answer = connection.getresponse()
            body = answer.read()
        headers = Headers([(name, value) for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP])
        headers["Content-Length"] = str(len(body))
        headers["Connection"] = "close"
        return Response(answer.status, HTTPStatus(answer.status).phrase, headers, body)


@asynccontextmanager
async def _closing(reading: ServerConnection | ClientConnection, other: Any) -> AsyncIterator[None]:
    """Close the other side as this one was closed."""
    with contextlib.suppress(ConnectionClosed):
        yield
    code = reading.close_code or ABNORMAL
    await other.close(1000 if code in ABNORMAL else code, reading.close_reason or "")


@asynccontextmanager
async def lying_proxy(running: RunningServer) -> AsyncIterator[LyingProxy]:
    """Stand before a server while the block runs, honest until `lie` is set."""
    proxy = LyingProxy(running.port)
    # Browsers open connections in advance, which say nothing.
    quiet = logging.getLogger("tests.lying_proxy")
    quiet.addHandler(logging.NullHandler())
    quiet.propagate = False
    options: dict[str, Any] = {"compression": None, "ping_interval": None, "max_size": None, "logger": quiet}
    serving: Server
    async with serve(proxy.pass_on, "127.0.0.1", 0, process_request=proxy.answer, **options) as serving:
        proxy.port = next(iter(serving.sockets)).getsockname()[1]
        yield proxy
