"""The listening sockets: each connection's first request decides who serves it, the wire or daphne.

The head of the request is read here, up to 16 KiB within 10 s. One that asks for a WebSocket is answered here, and the
application decides; so is any on a path where there is nothing but a WebSocket. Every other connection is given to
daphne, with the bytes that were read. `adopt` takes connections back from daphne, as behind proxies that keep theirs
open an upgrade is a later request.

At the limit of open files some descriptors are kept in reserve: with them connections are still accepted, but only
HTTP is served on them, so that health checks are answered.
"""

import asyncio
import contextlib
import errno
import logging
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from serving.asgi_end import AsgiEnd
from serving.contract import Application
from serving.hub import Hub
from serving.opening import END_OF_HEAD, Address, Opening, is_for_us, read_opening, refusal
from serving.wire import Wire

logger = logging.getLogger(__name__)

HEAD_BYTES = 16_384
HEAD_SECONDS = 10
# What a client that speaks TLS sends first, a record of a handshake (RFC 8446, section 5.1), has no end of a head.
TLS_HANDSHAKE = b"\x16\x03"
NO_TLS = "TLS is not spoken on this port: use ws:// and http://, or the port of the proxy that speaks it."
# Each may have sent its head, which takes as long to answer as some frames to relay.
ACCEPTS_A_TURN = 16
# Held back for health checks at the limit of files: for what is accepted, and twice while daphne takes it.
RESERVED_FILES = 16
# At the limit nothing is accepted for so long.
PAUSE_SECONDS = 0.5
FAREWELL_SECONDS = 5
# At the limit, files are closed and opened all the time: it is over after so long without a failure.
CALM_SECONDS = 2
NO_FILES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

# Takes a connection, and what was read of it.
TakeHttp = Callable[[socket.socket, bytes], None]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the front is told by who starts it."""

    # Where there is nothing but a WebSocket.
    websocket_paths: frozenset[bytes]
    # How long an application may outlive its connection.
    close_seconds: float
    # Called for each handshake that is refused because the server stops.
    on_refused: Callable[[], None]


class Front:
    """Accepts connections and reads the first request of each."""

    def __init__(self, hub: Hub, application: Application, take_http: TakeHttp, options: Options) -> None:
        self.hub = hub
        self.is_draining = False
        self._application = application
        self._take_http = take_http
        self._options = options
        self._listening: list[socket.socket] = []
        self.greetings: set[Greeting] = set()
        self._reserve: list[int] = []
        # When a file could not be opened last; None once that is over, which is logged.
        self._full_at: float | None = None

    def listen(self, listening: socket.socket) -> None:
        """Accept connections from a listening socket."""
        self._fill_reserve()
        self._listening.append(listening)
        self.hub.loop.add_reader(listening, self._accept, listening)

    def stop_listening(self) -> None:
        """Refuse new connections, and new handshakes on those that stand."""
        self.is_draining = True
        for listening in self._listening:
            self.hub.loop.remove_reader(listening)
            listening.close()
        self._listening.clear()

    def close_all(self, code: int, reason: str) -> None:
        """Close every WebSocket; connections whose first request has not come are cut off."""
        for greeting in list(self.greetings):
            greeting.drop()
        for wire in list(self.hub.wires):
            wire.close(code, reason)

    def adopt(self, connection: socket.socket, head: bytes) -> None:
        """Answer the opening handshake on a connection whose head another has read."""
        # Twisted aborts what it lets go of: closing this would be a reset.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
        connection.setblocking(False)  # noqa: FBT003 -- the socket module's
        if not self._open(connection, head, b"", is_spare=False):
            self.answer(connection, refusal(400, "This is no valid opening handshake of a WebSocket."))

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(ACCEPTS_A_TURN):
            try:
                connection, _ = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in NO_FILES:
                    raise
                if not self._reserve:
                    self._rest(listening)
                    return
                os.close(self._reserve.pop())
                continue
            connection.setblocking(False)  # noqa: FBT003 -- likewise
            is_whole = self._full_at is None and len(self._reserve) == RESERVED_FILES
            is_spare = not is_whole and not self._fill_reserve()
            Greeting(self, connection, is_spare=is_spare).start()

    def _rest(self, listening: socket.socket) -> None:
        """Accept nothing for a while: a listening socket that is full would wake the process up without end."""
        self.hub.loop.remove_reader(listening)
        self.hub.loop.call_later(PAUSE_SECONDS, self._go_on, listening)

    def _go_on(self, listening: socket.socket) -> None:
        self._fill_reserve()
        if listening in self._listening:
            self.hub.loop.add_reader(listening, self._accept, listening)

    def _fill_reserve(self) -> bool:
        """Hold descriptors back; returns whether there were enough, and logs when that changes."""
        reason = ""
        try:
            while len(self._reserve) < RESERVED_FILES:
                self._reserve.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            reason = errno.errorcode.get(error.errno or 0, "OSError")
        now = self.hub.loop.time()
        if reason:
            if self._full_at is None:
                logger.warning("WebSockets are refused, as no more files can be opened (%s): raise ulimit -n", reason)
            self._full_at = now
        elif self._full_at is not None and now - self._full_at > CALM_SECONDS:
            logger.warning("WebSockets are accepted again, as files can be opened")
            self._full_at = None
        return not reason

    def decide(self, connection: socket.socket, came: bytes, end: int, *, is_spare: bool) -> None:
        """Give a connection whose first head has come to the wire or to daphne."""
        head, rest = came[:end], came[end:]
        is_ours = is_for_us(head, self._options.websocket_paths)
        if not (is_ours and self._open(connection, head, rest, is_spare=is_spare)):
            self.pass_on(connection, came, is_spare=is_spare)

    def pass_on(self, connection: socket.socket, came: bytes, *, is_spare: bool) -> None:
        """Give a connection to daphne."""
        if is_spare and self._reserve:
            # What takes it duplicates the descriptor.
            os.close(self._reserve.pop())
        try:
            self._take_http(connection, came)
        except OSError as error:
            if error.errno not in NO_FILES:
                raise
            _reset(connection)

    def _open(self, connection: socket.socket, head: bytes, rest: bytes, *, is_spare: bool) -> bool:
        """Answer an opening handshake; returns False for a request of plain HTTP."""
        client, server = _address(connection.getpeername), _address(connection.getsockname)
        opening = read_opening(head, client, server, self._options.websocket_paths)
        if opening is None:
            return False
        if isinstance(opening, bytes):
            self.answer(connection, opening)
        elif self.is_draining:
            self._options.on_refused()
            self.answer(connection, refusal(503, "The server restarts; try again in a moment."))
        elif is_spare:
            self.answer(connection, refusal(503, "The server has no more room; try again later."))
        else:
            self._start(connection, opening, rest)
        return True

    def answer(self, connection: socket.socket, answer: bytes) -> None:
        """Send an HTTP answer and close the connection."""
        Farewell(self.hub.loop, connection, answer)

    def _start(self, connection: socket.socket, opening: Opening, rest: bytes) -> None:
        wire = Wire(self.hub, connection, opening, rest)
        AsgiEnd(self.hub, wire, self._options.close_seconds).start(self._application, opening.scope)


class Greeting:
    """A connection whose first head has not come whole."""

    def __init__(self, front: Front, connection: socket.socket, *, is_spare: bool) -> None:
        self._front = front
        self._connection = connection
        self._is_spare = is_spare
        self._came = b""
        self._deadline: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Read what has come already; wait for a head that has not come whole.

        When many clients come at once each has sent its head by now, and is spared a timer and a reader.
        """
        is_over = self._read()
        if not is_over:
            self._deadline = self._front.hub.loop.call_later(HEAD_SECONDS, self.drop)
            self._front.hub.loop.add_reader(self._connection.fileno(), self._read)
            self._front.greetings.add(self)

    def _read(self) -> bool:
        """Read on; returns whether the connection has left for the wire, for daphne, or for good."""
        data = _read(self._connection)
        if data is None:
            return False
        if not data:
            self.drop()
            return True
        self._came += data
        end = self._came.find(END_OF_HEAD)
        if end >= 0:
            self._release()
            self._front.decide(self._connection, self._came, end + len(END_OF_HEAD), is_spare=self._is_spare)
            return True
        if self._came.startswith(TLS_HANDSHAKE):
            self._release()
            self._front.answer(self._connection, refusal(400, NO_TLS))
            return True
        if len(self._came) > HEAD_BYTES:
            # daphne refuses it.
            self._release()
            self._front.pass_on(self._connection, self._came, is_spare=self._is_spare)
            return True
        return False

    def drop(self) -> None:
        """Cut the connection off."""
        self._release()
        _reset(self._connection)

    def _release(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._front.hub.loop.remove_reader(self._connection.fileno())
            self._front.greetings.discard(self)


def _read(connection: socket.socket) -> bytes | None:
    """Read what came; None: nothing yet. b"": the client has closed its side, or is gone."""
    try:
        return connection.recv(HEAD_BYTES)
    except (BlockingIOError, InterruptedError):
        return None
    except OSError:
        return b""


def _reset(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        # On for no seconds: closing discards what is left and sends a reset.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class Farewell:
    """A connection that has its answer: it is closed once the client has closed its side, or does not within seconds.

    Closing a socket with bytes unread resets the connection, and a reset may overtake the answer.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, connection: socket.socket, answer: bytes) -> None:
        self._loop = loop
        self._connection = connection
        self._deadline = loop.call_later(FAREWELL_SECONDS, self._end)
        loop.add_reader(connection, self._on_readable)
        with contextlib.suppress(OSError):
            # As the first that is written, it is shorter than any socket's buffer.
            connection.send(answer)
            connection.shutdown(socket.SHUT_WR)

    def _on_readable(self) -> None:
        if _read(self._connection) == b"":
            self._end()

    def _end(self) -> None:
        self._deadline.cancel()
        self._loop.remove_reader(self._connection)
        self._connection.close()


def _address(ask: Callable[[], Any]) -> Address | None:
    """Return host and port; None for a Unix socket, or a client that has gone."""
    try:
        address = ask()
    except OSError:
        return None
    return (address[0], address[1]) if isinstance(address, tuple) else None
