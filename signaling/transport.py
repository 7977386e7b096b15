"""What ASGI does not tell about a connection, from the servers that know: daphne and uvicorn."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from signaling.cork import cork
from signaling.frames import text_frame, whole_text_frame

Event = dict[str, Any]
Send = Callable[[Event], Awaitable[None]]

# RFC 6455, section 7.4.1
LOST = 1006

# So many events may wait for an application before its client is read no further.
UNHANDLED_EVENTS = 64
# So many frames of one client are read before it is the others' turn: a read may hold a thousand messages, or ten
# thousand pings, and everybody else would wait until all are answered.
FRAMES_A_TURN = 16

# autobahn's WebSocketProtocol.STATE_OPEN, and the same of the `websockets` library under uvicorn
_AUTOBAHN_OPEN = 3
_WEBSOCKETS_OPEN = 1
# The longest message that `whole_text_frame` reads, so that a server's own limit has nothing to say.
_SHORTER_THAN = 65536
# What the `websockets` library is given in one turn: it takes milliseconds for as many pings as that is.
BYTES_A_TURN = 4096


class Transport:
    """The server's side of a connection, found behind its `send`; an unknown server tells nothing."""

    __slots__ = ("_overridden", "_protocol", "buffered_bytes", "is_open", "send_text")

    def __init__(self, send: Send) -> None:
        self._protocol: Any = send.args[0] if isinstance(send, partial) else getattr(send, "__self__", None)
        transport: Any = getattr(self._protocol, "transport", None)
        # Methods of the server's that were overridden: of what, and their names.
        self._overridden: list[tuple[Any, str]] = []
        # How much the server has not written yet. daphne never makes a sender wait: without this its
        # memory grows for as long as a client does not read.
        self.buffered_bytes: Callable[[], int] = _nothing
        # Whether a frame would go out. daphne drops frames for a client that is gone without a word,
        # while its `websocket.disconnect` still waits to be read.
        self.is_open: Callable[[], bool] = _always
        # Writes a text frame here and now; False where only `send` can.
        self.send_text: Callable[[str], bool] = _never
        if hasattr(transport, "get_write_buffer_size"):
            protocol: Any = self._protocol
            protocol.transport = transport = CorkedTransport(transport)
            self.buffered_bytes = transport.get_write_buffer_size
            self.is_open = self._uvicorn_is_open
            # The protocol's heartbeats say who is alive; a ping every 20 s, and its pong, cost as much as they do.
            protocol.ping_interval = None
            if _is_plain(protocol):
                self.send_text = self._uvicorn_sends
        elif hasattr(transport, "dataBuffer"):
            self.buffered_bytes = self._twisted_buffer
            self.is_open = self._autobahn_is_open
            self.send_text = getattr(self._protocol, "send_text", _never)

    def hand_over(self, take: Callable[[Event], Event | None]) -> None:
        """Give each event to `take` in the turn of the event loop in which it arrives; queue what it returns.

        A server queues it and wakes the application, which costs another turn. An unknown server does just that.
        """
        found = getattr(self._protocol, "application_queue", None) or getattr(self._protocol, "queue", None)
        if not isinstance(found, asyncio.Queue):
            return
        queue: Any = found
        protocol, put = self._protocol, queue.put_nowait
        pauses_reading = hasattr(protocol, "read_paused")

        def put_nowait(event: Event) -> None:
            # What came earlier goes first.
            left = take(event) if queue.empty() else event
            if left is not None:
                put(left)
            if pauses_reading:
                # uvicorn stops reading at every message, two system calls, unless it believes that it has.
                protocol.read_paused = queue.qsize() < UNHANDLED_EVENTS

        self._override(queue, "put_nowait", put_nowait)
        if pauses_reading and _is_plain(protocol):
            self._override(protocol, "data_received", FrameReader(protocol).data_received)
            # Event loops remember the method.
            protocol.transport.set_protocol(protocol)

    def watch_pings(self, on_ping: Callable[[], None]) -> None:
        """Call `on_ping` at every WebSocket ping frame, on a server that has no event for it (uvicorn)."""
        answer = getattr(self._protocol, "handle_ping", None)
        if answer is None:
            return

        def handle_ping() -> None:
            on_ping()
            answer()

        self._override(self._protocol, "handle_ping", handle_ping)

    def detach(self) -> None:
        """Leave the server as it was, once the connection is closed.

        What refers to itself in a circle is freed only when garbage is collected, which is rare.
        """
        for owner, name in self._overridden:
            delattr(owner, name)
        self._overridden.clear()
        self._protocol = None
        self.buffered_bytes, self.is_open, self.send_text = _nothing, _never_open, _never

    def _override(self, owner: Any, name: str, method: Callable[..., None]) -> None:
        setattr(owner, name, method)
        self._overridden.append((owner, name))

    def close_code(self, event: Event) -> int:
        """Return the client's close code from `websocket.disconnect`; 1006 when it sent no close frame.

        uvicorn reports a lost connection as 1005, like a close frame without a code, but without a reason.
        """
        if self.is_open == self._uvicorn_is_open and "reason" not in event:
            return LOST
        code: int = event.get("code", LOST)
        return code

    def _twisted_buffer(self) -> int:
        transport = self._protocol.transport
        if transport is None:
            return 0
        waiting: int = transport._tempDataLen  # noqa: SLF001 -- Twisted has no accessor
        return len(transport.dataBuffer) - int(transport.offset) + waiting

    def _autobahn_is_open(self) -> bool:
        return bool(self._protocol.state == _AUTOBAHN_OPEN)

    def _uvicorn_is_open(self) -> bool:
        return not (self._protocol.disconnected or self._protocol.close_sent)

    def _uvicorn_sends(self, text: str) -> bool:
        protocol = self._protocol
        if protocol.conn.state != _WEBSOCKETS_OPEN or not protocol.writable.is_set():
            return False
        protocol.transport.write(text_frame(text.encode()))
        return True


class FrameReader:
    """Reads the usual frame for uvicorn, whose library takes ten steps for it; and leaves every other to that."""

    __slots__ = ("_conn", "_data_received", "_is_between_frames", "_protocol", "_rest")

    def __init__(self, protocol: Any) -> None:
        """Take uvicorn's end of a WebSocket (`WebSocketsSansIOProtocol`)."""
        self._protocol = protocol
        self._conn = protocol.conn
        self._data_received: Callable[[bytes], None] = protocol.data_received
        self._is_between_frames = _awaits_a_message(protocol.conn)
        # What came, and is for a later turn of the event loop.
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        """Take what came from the client."""
        if self._rest:
            self._rest += data
            return
        with cork:
            at = self._read(data)
        if at < len(data):
            self._rest = data[at:]
            # uvicorn starts to read again only where it believes that it has stopped.
            self._protocol.read_paused = False
            self._protocol.transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._read_on)

    def _read_on(self) -> None:
        protocol = self._protocol
        rest, self._rest = self._rest, b""
        if protocol.transport.is_closing():
            return
        try:
            self.data_received(rest)
        except Exception:
            # What an event loop does where reading fails.
            protocol.transport.abort()
            raise
        if not self._rest:
            protocol.read_paused = True
            if protocol.queue.qsize() < UNHANDLED_EVENTS:
                protocol.transport.resume_reading()

    def _read(self, data: bytes) -> int:
        """Read as much as it is this client's turn for; returns where that ends."""
        protocol, at = self._protocol, 0
        for _ in range(FRAMES_A_TURN):
            if at == len(data):
                break
            is_plain = self._is_between_frames and self._conn.state == _WEBSOCKETS_OPEN
            frame = whole_text_frame(data, at) if is_plain else None
            if frame is None:
                end = min(at + BYTES_A_TURN, len(data))
                self._data_received(data[at:end])
                self._is_between_frames = _awaits_a_message(self._conn)
                return end
            text, at = frame
            protocol.queue.put_nowait({"type": "websocket.receive", "text": text})
            if not protocol.read_paused:
                protocol.read_paused = True
                protocol.transport.pause_reading()
        return at


class CorkedTransport:
    """An asyncio transport that writes what came together together."""

    __slots__ = ("_transport", "_waiting", "_waiting_bytes")

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0

    def write(self, data: bytes) -> None:
        """Write soon."""
        if not self._waiting:
            cork.add(self)
        self._waiting.append(data)
        self._waiting_bytes += len(data)

    def close(self) -> None:
        """Close after what was written."""
        self.flush()
        self._transport.close()

    def get_write_buffer_size(self) -> int:
        """Count the bytes that were written and have not left."""
        size: int = self._transport.get_write_buffer_size()
        return size + self._waiting_bytes

    def flush(self) -> None:
        """Write what waits."""
        if self._waiting:
            data = b"".join(self._waiting)
            self._waiting.clear()
            self._waiting_bytes = 0
            self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def _nothing() -> int:
    return 0


def _always() -> bool:
    return True


def _never_open() -> bool:
    return False


def _never(_text: str) -> bool:
    return False


def _is_plain(protocol: Any) -> bool:
    """Whether uvicorn runs on `websockets` without I/O, with nothing that changes frames or must see them."""
    conn = getattr(protocol, "conn", None)
    if conn is None or not hasattr(conn, "parser"):
        return False
    limit = conn.max_message_size
    return not conn.extensions and not conn.debug and (limit is None or limit >= _SHORTER_THAN)


def _awaits_a_message(conn: Any) -> bool:
    """Whether its parser stands before the first frame of a message, with nothing read of it."""
    step = conn.parser
    while step.gi_yieldfrom is not None:
        step = step.gi_yieldfrom
    return conn.current_size is None and bool(step.gi_code.co_name == "at_eof")
