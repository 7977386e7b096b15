"""Daphne's HTTP request with an end: of its body, which is kept before anybody is asked, and of its headers.

A WebSocket's handshake goes through here too, and its origin past autobahn to the application.
"""

import asyncio
from typing import Any

from daphne.http_protocol import WebRequest
from daphne.server import twisted_loop
from django.conf import settings

# From the connect to the end of the first request's headers, a WebSocket's handshake included. Twisted asks only
# that something comes each minute: a byte is enough, and a socket open for ever.
HEADERS_SECONDS = 10
# Where a handshake's origin is while autobahn reads it, which answers an empty one, and one without a host, with 400.
ORIGIN_HEADER = b"securecall-origin"
REFUSAL = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class BoundedRequest(WebRequest):  # type: ignore[misc]  # daphne ships no types
    """A request that is answered with 413 and cut off where its body is longer than `LIMIT_HTTP_BODY_BYTES`."""

    channel: Any
    _body_bytes = 0
    deadline: asyncio.TimerHandle

    def __init__(self, *args: Any) -> None:
        """Leave forms to Django: Twisted parses each in memory, nine times its size, while everybody waits."""
        super().__init__(*args, parsePOSTFormSubmission=False)

    def process(self) -> Any:
        """Handle it; after the handshake of a WebSocket nothing of HTTP is left to wait for the garbage collector."""
        # As daphne looks at it: anything else is Django's, whose protection of forms needs the header.
        if self.requestHeaders.getRawHeaders(b"upgrade", [b""])[0].lower() == b"websocket":
            self._rename_origin()
        handled = super().process()
        if self.transport is None:
            self.channel = None
        return handled

    def _rename_origin(self) -> None:
        self.requestHeaders.removeHeader(ORIGIN_HEADER)
        origins = self.requestHeaders.getRawHeaders(b"origin")
        if origins is not None:
            self.requestHeaders.removeHeader(b"origin")
            self.requestHeaders.setRawHeaders(ORIGIN_HEADER, origins)

    def gotLength(self, length: int | None) -> None:  # noqa: N802  # Twisted's name
        """Refuse a length that is known to be too much before a byte of it is read; None: it comes in chunks."""
        super().gotLength(length)
        # All headers are here.
        self.deadline.cancel()
        if length is not None and self._is_too_much(length):
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        """Keep a part of the body, up to the cap."""
        self._body_bytes += len(data)
        if self._is_too_much(self._body_bytes):
            self._refuse()
        else:
            super().handleContentChunk(data)

    @staticmethod
    def _is_too_much(size: int) -> bool:
        return 0 < settings.LIMIT_HTTP_BODY_BYTES < size

    def _refuse(self) -> None:
        self.channel.transport.write(REFUSAL)
        # Stops reading, too.
        self.channel.loseConnection()


def bind_requests(factory: Any) -> None:
    """Let daphne's HTTP factory make bounded requests; it has no option for the class."""
    build = factory.buildProtocol

    def build_protocol(address: Any) -> Any:
        channel = build(address)
        connect = channel.makeConnection

        def make_connection(transport: Any) -> None:
            deadline = twisted_loop.call_later(HEADERS_SECONDS, transport.abortConnection)

            def bounded(*arguments: Any) -> BoundedRequest:
                request = BoundedRequest(*arguments)
                request.deadline = deadline
                return request

            channel.requestFactory = bounded
            del channel.makeConnection
            connect(transport)

        channel.makeConnection = make_connection
        return channel

    factory.buildProtocol = build_protocol
