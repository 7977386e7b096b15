"""Daphne's HTTP side with an end: to a request's head, to its body, and to what is HTTP.

A request for a WebSocket that comes on a connection which HTTP was spoken on leaves daphne here: the front answers it.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, NamedTuple

from daphne.http_protocol import HTTPFactory, WebRequest
from twisted.internet import reactor
from twisted.web.http import HTTPChannel

from serving.front import HEAD_SECONDS
from serving.opening import END_OF_HEAD, is_for_us, origin_form

# A body may take this long for each of its bytes, and the head's time besides.
SLOWEST_BYTES_PER_SECOND = 8192
WRITE_POLL_SECONDS = 0.02
REFUSAL = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

LetGo = Callable[[socket.socket, bytes], None]


class BodyLimits(NamedTuple):
    """How long a request's body may be (0: no limit), and whether a long one may wait in a file."""

    max_bytes: int
    has_temporary_files: bool


class BoundedChannel(HTTPChannel):
    """A connection that is cut off where a request's head, or its body, takes too long.

    Twisted asks only that something comes each minute: a byte is enough, and a socket open for ever.
    """

    _deadline: asyncio.TimerHandle | None = None

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  # Twisted's name
        """Start the head's time with its first byte."""
        if not self.requests and self._deadline is None:
            self.allow(HEAD_SECONDS)
        super().dataReceived(data)  # type: ignore[no-untyped-call]

    def connectionLost(self, reason: Any = None) -> None:  # noqa: N802
        """Stop the clock."""
        self.allow(None)
        super().connectionLost(reason)  # type: ignore[no-untyped-call]

    def allow(self, seconds: float | None) -> None:
        """Cut the connection off after so long, or not at all."""
        if self._deadline is not None:
            self._deadline.cancel()
        transport: Any = self.transport
        loop = asyncio.get_running_loop()
        self._deadline = None if seconds is None else loop.call_later(seconds, transport.abortConnection)


class BoundedRequest(WebRequest):  # type: ignore[misc]  # daphne ships no types
    """A request that is answered with 413 and cut off where its body is longer than `max_body_bytes` (0: no limit)."""

    channel: Any
    _body_bytes = 0
    # Whether an answer has begun.
    has_begun = False

    def __init__(self, *args: Any) -> None:
        """Leave forms to Django: Twisted parses each in memory, nine times its size, while everybody waits."""
        super().__init__(*args, parsePOSTFormSubmission=False)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: N802  # Twisted's name
        """Take a target that names its host, which Twisted would take for a path."""
        target, host = origin_form(path)
        if host is not None:
            self.requestHeaders.setRawHeaders(b"host", [host])
        super().requestReceived(command, target, version)

    def process(self) -> Any:
        """Handle the request, or let go of the connection where it asks for a WebSocket."""
        factory: BoundedFactory = self.channel.factory
        self.channel.allow(None)
        head = self._head()
        if is_for_us(head, factory.websocket_paths) and self._is_upgrade(factory.websocket_paths):
            self.channel.allow(HEAD_SECONDS)
            self._leave_http(factory, head)
            return None
        # daphne would believe it, whoever sent it.
        self.requestHeaders.removeHeader(b"daphne-root-path")
        # It has no upgrade here, and for it daphne would make a WebSocket of its own.
        self.requestHeaders.removeHeader(b"upgrade")
        return super().process()

    def _leave_http(self, factory: "BoundedFactory", head: bytes) -> None:
        """Give the connection away once the answers before this request are written."""
        if self.channel is None:
            return
        # A writer is a transport whose buffer still holds part of an answer.
        if self.transport in reactor.getWriters():  # type: ignore[misc]  # Twisted types its reactor as a module
            asyncio.get_running_loop().call_later(WRITE_POLL_SECONDS, self._leave_http, factory, head)
            return
        duplicate = self.transport.getHandle().dup()
        # Once Twisted is done with the descriptor.
        self.notifyFinish().addErrback(lambda _: factory.let_go(duplicate, head))
        self.transport.abortConnection()

    def _head(self) -> bytes:
        lines = [b"%s %s %s" % (self.method, self.uri, self.clientproto)]
        for name, values in self.requestHeaders.getAllRawHeaders():
            lines += [b"%s: %s" % (name, value) for value in values]
        return b"\r\n".join(lines) + END_OF_HEAD

    def _is_upgrade(self, paths: frozenset[bytes]) -> bool:
        offered = b",".join(self.requestHeaders.getRawHeaders(b"upgrade", [])).lower().split(b",")
        return b"websocket" in (token.strip() for token in offered) or self.path in paths

    def gotLength(self, length: int | None) -> None:  # noqa: N802  # Twisted's name
        """Refuse a length that is known to be too much before a byte of it is read; None: it comes in chunks."""
        # Twisted keeps what is short in memory.
        super().gotLength(length if self.channel.factory.has_temporary_files else 0)
        if length is not None and self._is_too_much(length):
            self._refuse()
        else:
            limit: int = self.channel.factory.max_body_bytes
            size = limit if length is None else length
            self.channel.allow(HEAD_SECONDS + size / SLOWEST_BYTES_PER_SECOND if size or length else None)

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        """Keep a part of the body, up to the cap."""
        self._body_bytes += len(data)
        if self._is_too_much(self._body_bytes):
            self._refuse()
        else:
            super().handleContentChunk(data)

    def handle_reply(self, message: Any) -> None:
        """Send a part of the answer."""
        self.has_begun = True
        super().handle_reply(message)

    def __repr__(self) -> str:
        """Without the client's address."""
        return f"<{type(self).__name__} at {id(self):#x}>"

    def _is_too_much(self, size: int) -> bool:
        return bool(0 < self.channel.factory.max_body_bytes < size)

    def _refuse(self) -> None:
        self.channel.transport.write(REFUSAL)
        # Stops reading, too.
        self.channel.loseConnection()


class BoundedFactory(HTTPFactory):  # type: ignore[misc]
    """Makes bounded channels and requests for daphne's server; `let_go` is given what is no HTTP."""

    protocol = BoundedChannel

    def __init__(self, server: Any, limits: BodyLimits, *, websocket_paths: frozenset[bytes], let_go: LetGo) -> None:
        super().__init__(server)
        self.max_body_bytes = limits.max_bytes
        self.has_temporary_files = limits.has_temporary_files
        self.websocket_paths = websocket_paths
        self.let_go = let_go

    def buildProtocol(self, addr: Any) -> Any:  # noqa: N802  # Twisted's name
        """Make a channel."""
        channel = super().buildProtocol(addr)
        channel.requestFactory = BoundedRequest
        return channel

    def take(self, connection: socket.socket, came: bytes) -> None:
        """Serve a connection of which these bytes were read."""
        replay = _Replay(self)
        reactor.adoptStreamConnection(connection.fileno(), connection.family, replay)
        # Twisted has a duplicate.
        connection.close()
        replay.channel.dataReceived(came)


class _Replay:
    """Has the factory make one channel, and keeps it."""

    channel: Any

    def __init__(self, factory: BoundedFactory) -> None:
        self._factory = factory

    def buildProtocol(self, address: Any) -> Any:  # noqa: N802  # Twisted's name
        self.channel = self._factory.buildProtocol(address)
        return self.channel
