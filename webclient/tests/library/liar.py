"""A server that lies: it stands between a page and the real server, and changes what either hears."""

import asyncio
import http.client
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache
from itertools import pairwise
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.http11 import Request, Response

from webclient.tests.people import PATIENCE_SECONDS

# Of an answer's headers, what a browser has to know; the rest is of the connection.
KEPT_HEADERS = {"content-type", "content-security-policy", "location"}

Payload = dict[str, Any]
Lie = Callable[[Payload], Payload]
Answer = tuple[int, str, list[tuple[str, str]], bytes]


def fetch(port: int, path: str) -> Answer:
    """Get a path from a port of this machine; returns status, reason, headers and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    headers = [(name, value) for name, value in answer.getheaders() if name.lower() in KEPT_HEADERS]
    return answer.status, answer.reason, headers, body


# A page loads some fifty files, and the next one, at the port of another liar, all of them anew.
file = cache(fetch)


class Liar:
    """Serves what a port of this machine serves: `async with Liar.before(server.port) as liar`."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._lies: dict[str, Lie] = {}
        self._refusals: dict[str, list[Payload]] = {}
        self._kept: set[str] = set()
        self._is_shut = False
        self._shown: dict[str, str | None] = {}
        self._heard: list[tuple[str, Payload]] = []
        self._times: list[tuple[str, float]] = []
        self._news = asyncio.Condition()
        self._pages: set[ServerConnection] = set()
        self.port = 0

    @classmethod
    @asynccontextmanager
    async def before(cls, target: int) -> AsyncIterator[Self]:
        """Lie while the block runs."""
        liar = cls(target)
        async with serve(
            liar._relay, "127.0.0.1", 0, process_request=liar._page, compression=None, ping_interval=None, max_size=None
        ) as serving:
            liar.port = next(iter(serving.sockets)).getsockname()[1]
            yield liar

    def lies(self, message_type: str, lie: Lie) -> None:
        """Tell pages what `lie` makes of the payload of each message of this type, from now on."""
        self._lies[message_type] = lie

    def refuses(self, message_type: str, *errors: Payload) -> None:
        """Answer the next messages of this type with these errors, and keep them from the server."""
        self._refusals[message_type] = list(errors)

    def shows(self, path: str, text: str | None) -> None:
        """Answer requests of a path with a text, or with 404, from now on."""
        self._shown[path] = text

    def shuts_out(self) -> None:
        """Refuse connections from now on, as a server does that does not allow the page's origin."""
        self._is_shut = True

    def keeps(self, message_type: str) -> None:
        """Keep messages of this type from the server, without an answer, from now on."""
        self._kept.add(message_type)

    async def tells(self, message_type: str, payload: Payload) -> None:
        """Tell all pages what the server has not said."""
        for page in self._pages:
            await page.send(json.dumps({"type": message_type, "payload": payload}))

    def heard(self, message_type: str) -> list[Payload]:
        """The payloads of what pages have sent of this type."""
        return [payload for type_, payload in self._heard if type_ == message_type]

    def gaps(self, message_type: str) -> list[float]:
        """The seconds from each message of this type to the next."""
        times = [at for type_, at in self._times if type_ == message_type]
        return [after - before for before, after in pairwise(times)]

    async def hears(self, message_type: str, count: int = 1) -> Payload:
        """Wait until pages have sent so many messages of this type; returns the payload of the newest."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._news:
            await self._news.wait_for(lambda: len(self.heard(message_type)) >= count)
        return self.heard(message_type)[-1]

    async def _page(self, _: ServerConnection, request: Request) -> Response | None:
        if "Upgrade" in request.headers:
            return Response(403, "Forbidden", Headers({"Connection": "close"})) if self._is_shut else None
        if request.path in self._shown:
            text = self._shown[request.path]
            body = (text or "").encode()
            headers = Headers({"Content-Length": str(len(body)), "Connection": "close"})
            return Response(404 if text is None else 200, "None" if text is None else "OK", headers, body)
        return await asyncio.to_thread(self._fetched, request.path)

    def _fetched(self, path: str) -> Response:
        status, reason, headers, body = (file if path.startswith("/static/") else fetch)(self._target, path)
        kept = [*headers, ("Content-Length", str(len(body))), ("Connection", "close")]
        return Response(status, reason, Headers(kept), body)

    async def _relay(self, page: ServerConnection) -> None:
        # What an owner signs names the host that the page opened, which a proxy passes on.
        assert page.request
        url = f"ws://{page.request.headers['Host']}/signal"
        there: dict[str, Any] = {"host": "127.0.0.1", "port": self._target}
        async with (
            connect(url, proxy=None, compression=None, ping_interval=None, max_size=None, **there) as server,
            asyncio.TaskGroup() as both,
        ):
            both.create_task(self._to_page(server, page))
            both.create_task(self._to_server(page, server))

    async def _to_page(self, server: ClientConnection, page: ServerConnection) -> None:
        self._pages.add(page)
        with suppress(ConnectionClosed):
            async for text in server:
                message = json.loads(text)
                if lie := self._lies.get(message["type"]):
                    message["payload"] = lie(message["payload"])
                await page.send(json.dumps(message))
        self._pages.discard(page)
        await page.close(server.close_code or 1011)

    async def _to_server(self, page: ServerConnection, server: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            async for text in page:
                message = json.loads(text)
                async with self._news:
                    self._heard.append((message["type"], message["payload"]))
                    self._times.append((message["type"], time.monotonic()))
                    self._news.notify_all()
                if errors := self._refusals.get(message["type"]):
                    error = {"request": message["type"], "message": "No.", **errors.pop(0)}
                    await page.send(json.dumps({"type": "ERROR", "payload": error}))
                elif message["type"] not in self._kept:
                    await server.send(text)
        if page.close_code == CloseCode.ABNORMAL_CLOSURE:
            # The server sees a lost line, as it was, and no page that leaves.
            server.transport.abort()
        else:
            await server.close()
