"""All but the usual frame of a WebSocket, through the `websockets` library's protocol without I/O.

Frames are fed one by one. Those of data and those of control go to two protocols: the library takes a close frame
between fragments for a violation, which RFC 6455, section 5.4, allows. Either is made when its first frame comes.
The library leaves UTF-8 to its user; each fragment of a text is checked as it comes (section 8.1).
"""

import codecs
import logging
from dataclasses import dataclass
from typing import Final

from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import SEND_EOF, State
from websockets.server import ServerProtocol

from serving.contract import LOST
from serving.frames import head_bytes, payload_bytes

CONTROL: Final = 0x08
OPCODE: Final = 0x0F
FINAL: Final = 0x80

logger = logging.getLogger("serving.websockets")
# The library tells of each connection.
logger.setLevel(logging.WARNING)


@dataclass(slots=True)
class Read:
    """What came of one frame."""

    message: str | bytes | None = None
    is_ping: bool = False
    pong: bytes | None = None
    answer: bytes = b""
    # The close code, once the closing handshake is over or the peer broke the protocol.
    code: int | None = None


class RareFrames:
    """Reads one connection's frames from the first one that is not usual until it is between messages again."""

    __slots__ = ("_control", "_data", "_decoder", "_fed", "_head", "_is_closing", "_max_bytes", "_missing", "_payload")

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._data: ServerProtocol | None = None
        self._control: ServerProtocol | None = None
        # Which of the two the current frame goes to; None while frames of data are skipped.
        self._fed: ServerProtocol | None = None
        # What came of the current frame's head, and how much of its payload has not.
        self._head = b""
        self._missing = 0
        self._is_closing = False
        # What came of a message; None between messages.
        self._payload: bytearray | None = None
        self._decoder: codecs.IncrementalDecoder | None = None

    @property
    def is_between_messages(self) -> bool:
        """Return whether the next byte begins a message."""
        return not self._missing and not self._head and self._payload is None

    def close(self, code: int, reason: str) -> bytes:
        """Begin the closing handshake; returns the close frame. From here on frames of data are skipped."""
        self._is_closing = True
        # One of its own: a control frame of the peer may have arrived in part.
        if self._control is None:
            self._control = self._protocol()
        self._control.send_close(code, reason)
        return b"".join(self._control.data_to_send())

    def feed(self, data: bytes, at: int) -> tuple[int, Read]:
        """Read on from `at`, to the end of a frame at most; returns where it ended."""
        read = Read()
        while not self._missing and at < len(data):
            if not self._head:
                self._fed = self._protocol_for(data[at])
            # As far as it is known: the library sees a violation in the first bytes.
            end = at + head_bytes(self._head) - len(self._head)
            self._head += data[at:end]
            self._pass_on(data[at:end], read)
            at = min(end, len(data))
            if len(self._head) == head_bytes(self._head):
                self._missing = payload_bytes(self._head)
                self._head = b""
                if not self._missing:
                    return at, read
        end = min(len(data), at + self._missing)
        self._missing -= end - at
        self._pass_on(data[at:end], read)
        return end, read

    def _pass_on(self, data: bytes, read: Read) -> None:
        protocol = self._fed
        if protocol is not None and data and read.code is None:
            protocol.receive_data(data)
            self._collect(protocol, read)

    def release(self) -> None:
        """Free what was read with."""
        for protocol in (self._data, self._control):
            if protocol is not None:
                release(protocol)

    def _protocol(self) -> ServerProtocol:
        return ServerProtocol(state=State.OPEN, max_size=self._max_bytes, logger=logger)

    def _protocol_for(self, first_byte: int) -> ServerProtocol | None:
        if first_byte & CONTROL:
            if self._control is None:
                self._control = self._protocol()
            return self._control
        if self._is_closing:
            return None
        if self._data is None:
            self._data = self._protocol()
        return self._data

    def _collect(self, protocol: ServerProtocol, read: Read) -> None:
        for frame in protocol.events_received():
            if isinstance(frame, Frame):
                self._take(frame, protocol, read)
        for part in protocol.data_to_send():
            if part == SEND_EOF:
                read.code = _close_code(protocol)
            elif not self._is_closing:
                read.answer += part

    def _take(self, frame: Frame, protocol: ServerProtocol, read: Read) -> None:
        if frame.opcode is Opcode.PING:
            read.is_ping = True
        elif frame.opcode is Opcode.PONG:
            read.pong = bytes(frame.data)
        elif frame.opcode is not Opcode.CLOSE:
            try:
                self._add(frame)
            except UnicodeDecodeError:
                protocol.fail(CloseCode.INVALID_DATA, "a text message must be UTF-8")
                return
            if frame.fin:
                read.message = self._message()

    def _add(self, frame: Frame) -> None:
        if self._payload is None:
            self._payload = bytearray()
            self._decoder = codecs.getincrementaldecoder("utf-8")() if frame.opcode is Opcode.TEXT else None
        self._payload += frame.data
        if self._decoder is not None:
            self._decoder.decode(bytes(frame.data), frame.fin)

    def _message(self) -> str | bytes:
        payload, is_text = bytes(self._payload or b""), self._decoder is not None
        self._payload = self._decoder = None
        return payload.decode() if is_text else payload


def release(protocol: ServerProtocol) -> None:
    """Break the circles of a protocol and its parser, which only the garbage collector would free."""
    protocol.parser.close()
    # Before Python 3.13 a closed generator keeps its frame, which is in the tracebacks of what it raised.
    error: BaseException | None = protocol.parser_exc
    while error is not None:
        error.with_traceback(None)
        error = error.__context__


def _close_code(protocol: ServerProtocol) -> int:
    """Return the code of who closed first: the peer's, or the one that we closed with."""
    protocol.receive_eof()
    closed = protocol.close_exc
    close = closed.rcvd if closed.rcvd_then_sent or closed.sent is None else closed.sent
    return LOST if close is None else int(close.code)
