"""One WebSocket on a socket of our own: a small object that the event loop calls when there is something to read.

**Reading.** What came is read frame by frame. The usual frame (a whole text) is read here; from any other on
`RareFrames` reads, until it is between messages again and is dropped. Each message goes to the listener at once. Where
that waits, and after `FRAMES_A_TURN`, reading stops: the rest stays in `_unread`, and once that is full the socket is
looked at no more, so that the kernel, and in the end the client, has to wait.

**Writing.** What is written waits in `_unwritten` for the end of the turn, which the cork knows; what the socket does
not take then waits for the event loop's word. All of it counts against the limit, pongs too.

**The end.** Either side's close frame, a violation or a lost connection ends the WebSocket; the listener hears of it
once. The socket lingers until the client has closed its side as well, since closing one with bytes unread would reset
it, and a reset may overtake the close frame.

An idle connection has no task, no queue, no buffer and no timer. The event loop keeps a context of its own for each
reader, and `Hub.start` makes one for each task, so that clients share no context variables.
"""

import asyncio
import contextlib
import enum
import socket
from collections.abc import Callable
from typing import Any

from websockets.frames import Frame, Opcode

from serving.contract import LOST, SERVICE_RESTART, Event, Listener, Rest, Trouble
from serving.cork import cork
from serving.frames import is_usual_so_far, text_frame, whole_pong_frame, whole_text_frame
from serving.handshake import switching
from serving.hub import Hub
from serving.opening import Opening, refusal
from serving.rare_frames import RareFrames, Read

READ_BYTES = 65_536
# So many frames of one client are read before it is the others' turn: a read may hold a thousand messages, or ten
# thousand pings, and everybody else would wait until all are answered.
FRAMES_A_TURN = 16
# How long a client that broke the protocol has to say nothing before our side is closed.
PAUSE_SECONDS = 0.1
# RFC 6455, section 7.4.1: broken protocol, text that is no UTF-8, too long.
VIOLATIONS = frozenset({1002, 1007, 1009})
# How long an application has to answer the opening handshake.
OPENING_SECONDS = 5


class State(enum.Enum):
    """Where a connection is in its life; each only follows those before it."""

    CONNECTING = enum.auto()  # the application has not answered the handshake
    OPEN = enum.auto()
    CLOSING = enum.auto()  # our close frame is written, the client's has not come
    LINGERING = enum.auto()  # the WebSocket is over, the client has not closed its side
    CLOSED = enum.auto()


CONNECTING, OPEN, CLOSING, LINGERING, CLOSED = State


class Wire:
    """A `WebSocket` on a socket; `listener` is told of its handshake first, and `serve` names another."""

    __slots__ = (
        "_blocked",
        "_busy",
        "_code",
        "_hub",
        "_is_eof",
        "_is_reading",
        "_is_writing",
        "_listener",
        "_phase",
        "_socket",
        "_timer",
        "_unread",
        "_unwritten",
        "state",
    )

    can_ping = True

    def __init__(self, hub: Hub, connection: socket.socket, opening: Opening, unread: bytes) -> None:
        self.state = CONNECTING
        self._hub = hub
        self._socket = connection
        self._phase: Opening | RareFrames | None = opening
        self._listener: Listener | None = None
        self._unread = unread
        self._unwritten: bytes | bytearray = b""
        # What waits until all is written.
        self._blocked: asyncio.Future[None] | None = None
        # The code that we closed with; and, where the connection ended while the listener was busy, the one to tell.
        self._code: int | None = None
        # What the listener does with the last frame, while it is not done.
        self._busy: asyncio.Future[None] | None = None
        self._is_eof = self._is_writing = False
        self._is_reading = True
        self._timer: asyncio.TimerHandle | None = hub.loop.call_later(OPENING_SECONDS, self._give_up_opening)
        hub.wires.add(self)
        # By its number, here and below: asyncio before Python 3.13 makes the `repr` of a socket that is new to it.
        hub.loop.add_reader(connection.fileno(), self._on_readable)

    # --- What a `WebSocket` does --------------------------------------------------------------------------

    def listen(self, listener: Listener) -> None:
        """Tell `listener` what happens, in place of the one before."""
        self._listener = listener

    def is_told_to(self, listener: Listener) -> bool:
        """Return whether `listener` is the one that is told what happens."""
        return self._listener is listener

    async def serve(self, listener: Listener) -> None:
        """Let the listener answer the handshake, then tell it what happens; returns when the handshake is answered."""
        self._listener = listener
        busy = self._busy = self._hub.loop.create_future()
        try:
            await listener.opened()
        except Exception as error:  # noqa: BLE001 -- it is the listener's to log
            listener.failed(error)
        finally:
            self._go_on(busy)

    def write(self, text: str, event: Event | None = None) -> bool:  # noqa: ARG002 -- what is written here is not taken back
        """Write a text frame at the end of the turn; returns False when the connection is closed."""
        if self.state is not OPEN or self._is_eof:
            return False
        data, unwritten = text_frame(text.encode()), self._unwritten
        if isinstance(unwritten, bytearray):
            # `_put` in one step, as most messages come in bursts.
            unwritten += data
        else:
            self._put(data)
        if len(self._unwritten) > self._hub.most_unwritten_bytes:
            self._check_room()
        return True

    def write_bytes(self, data: bytes) -> None:
        """Write a binary frame at the end of the turn, unless the connection is closed."""
        if self.state is OPEN:
            self._put(Frame(Opcode.BINARY, data).serialize(mask=False))
            self._check_room()

    def ping(self, payload: bytes) -> bool:
        """Write a ping frame at the end of the turn; returns False when the connection is closed."""
        if self.state is not OPEN or self._is_eof:
            return False
        self._put(Frame(Opcode.PING, payload).serialize(mask=False))
        self._check_room()
        return True

    @property
    def unwritten_bytes(self) -> int:
        """Return how much waits to be written."""
        return len(self._unwritten)

    def unsent(self) -> list[Event]:
        """Return nothing: what is written is the client's, unless it is gone."""
        return []

    def close(self, code: int, reason: str) -> None:
        """Write a close frame behind everything else; refuse a handshake that is still open."""
        if self.state is CONNECTING:
            self.reject(403 if code != SERVICE_RESTART else 503, "This WebSocket is refused.", code)
        elif self.state is OPEN:
            self.state = CLOSING
            self._code = code
            if not isinstance(self._phase, RareFrames):
                self._phase = RareFrames(self._hub.max_message_bytes)
            self._put(self._phase.close(code, reason))
            self._timer = self._hub.loop.call_later(self._hub.close_seconds, self.drop)

    async def send(self, event: Event) -> None:
        """Carry out an ASGI event of the application; wait, after a message, until the client reads."""
        kind = event["type"]
        if kind == "websocket.send":
            text = event.get("text")
            if text is not None:
                self.write(text)
            else:
                self.write_bytes(event.get("bytes") or b"")
            await self.drained()
        elif kind == "websocket.close":
            self.close(event.get("code") or 1000, event.get("reason") or "")
        elif kind == "websocket.accept":
            self.accept(event.get("subprotocol"), event.get("headers") or ())

    async def drained(self) -> None:
        """Wait while more than the limit waits to be written."""
        if self._is_clogged():
            if self._blocked is None:
                self._blocked = self._hub.loop.create_future()
            await self._blocked

    # --- The handshake ------------------------------------------------------------------------------------

    def accept(self, subprotocol: str | None, headers: Any) -> None:
        """Answer the opening handshake with 101; raises `ConnectionResetError` where the client is gone."""
        if self.state is not CONNECTING or self._is_eof:
            raise ConnectionResetError("the client has gone")
        assert isinstance(self._phase, Opening)  # noqa: S101 -- the state says so
        self._put(switching(self._phase.key, subprotocol, headers))
        self._phase = None
        self.state = OPEN
        self._end_timer()
        if self._unread and self._busy is None:
            self._hub.call_soon(self._read_on)

    def reject(self, status: int, sentence: str, code: int = LOST) -> None:
        """Answer the opening handshake with an HTTP error."""
        if self.state is CONNECTING:
            self._put(refusal(status, sentence))
            self._finish(code)

    def _give_up_opening(self) -> None:
        self.reject(503, "The server did not answer in time; try again later.")

    # --- Reading ------------------------------------------------------------------------------------------

    def _on_readable(self) -> None:
        try:
            data = self._socket.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._is_eof = True
            self._pause()
        if self.state is LINGERING:
            if self._is_eof:
                self.drop()
            # Whether there was any is all that counts.
            self._unread = data
            return
        if data:
            self._unread = self._unread + data if self._unread else data
        self._read_on()

    def _read_on(self) -> None:
        """Read frames until none is whole, the listener is busy, or it is the others' turn."""
        with cork:
            is_turn_over = self._read_turn()
        if not self._unread and self._is_reading and self._busy is None and self.state is OPEN:
            return
        if not self._can_read():
            # Who ends what is in the way reads on.
            if len(self._unread) >= READ_BYTES:
                self._pause()
            if self._is_eof and self.state is CONNECTING and self._busy is None:
                self.drop()
        elif is_turn_over:
            self._pause()
            self._hub.call_soon(self._read_on)
        elif self._is_eof:
            self.drop()
        else:
            self._resume()

    def _can_read(self) -> bool:
        is_open = self.state is OPEN or self.state is CLOSING
        return is_open and self._busy is None and len(self._unwritten) <= self._hub.most_unwritten_bytes

    def _read_turn(self) -> bool:
        """Read frames up to the end of the turn; returns whether it ended before the frames."""
        data, at = self._unread, 0
        end = len(data)
        try:
            for _ in range(FRAMES_A_TURN):
                # What was handled may have closed the connection, or have to be waited for.
                is_as_ever = self.state is OPEN and self._busy is None and not self._unwritten
                if at == end or not (is_as_ever or self._can_read()):
                    return False
                frame = whole_text_frame(data, at) if self._phase is None else None
                if frame is not None:
                    text, at = frame
                    # `_call` in one step, for there are more of these than of all else.
                    try:
                        rest = self._listener.received(text, None)  # type: ignore[union-attr]  # open: it has one
                    except Exception as error:  # noqa: BLE001 -- it is the listener's to log
                        self._fail(error)
                    else:
                        if rest is not None:
                            self._wait_for(rest)
                elif self._phase is None and is_usual_so_far(data, at):
                    return False
                else:
                    at = self._read_rare(data, at)
            return at < end
        finally:
            if self.state is not LINGERING and self.state is not CLOSED:
                self._unread = data[at:]

    def _read_rare(self, data: bytes, at: int) -> int:
        rare = self._phase
        if rare is None and (pong := whole_pong_frame(data, at)):
            # One for each ping: too many for a protocol of its own.
            payload, at = pong
            self._call(self._listener.ponged, payload)  # type: ignore[union-attr]  # likewise
            return at
        if not isinstance(rare, RareFrames):
            rare = self._phase = RareFrames(self._hub.max_message_bytes)
        at, read = rare.feed(data, at)
        if read.answer:
            self._put(read.answer)
        if self.state is OPEN:
            self._pass_on(read)
            self._check_room()
        if read.code is not None:
            self._finish(read.code, is_flooded=read.code in VIOLATIONS)
        elif self.state is OPEN and rare.is_between_messages:
            self._end_phase()
        return at

    def _pass_on(self, read: Read) -> None:
        listener = self._listener
        assert listener is not None  # noqa: S101 -- an open connection has one
        if isinstance(read.message, str):
            self._call(listener.received, read.message, None)
        elif read.message is not None:
            self._call(listener.received, None, read.message)
        elif read.is_ping:
            self._call(listener.pinged)
        elif read.pong is not None:
            self._call(listener.ponged, read.pong)

    def _call(self, method: Callable[..., Rest | None], *arguments: Any) -> None:
        try:
            rest = method(*arguments)
        except Exception as error:  # noqa: BLE001 -- likewise
            self._fail(error)
            return
        if rest is not None:
            self._wait_for(rest)

    def _wait_for(self, rest: Rest) -> None:
        """Read no further until what a method of the listener returned is done."""
        self._busy = rest if isinstance(rest, asyncio.Future) else self._hub.start(rest)
        self._busy.add_done_callback(self._go_on, context=self._hub.new_context())

    def _fail(self, error: Exception) -> None:
        if self._listener is not None:
            self._listener.failed(error)

    def _go_on(self, handled: "asyncio.Future[None]") -> None:
        if handled.done() and not handled.cancelled() and isinstance(error := handled.exception(), Exception):
            self._fail(error)
        self._busy = None
        if self.state is LINGERING or self.state is CLOSED:
            self._tell()
        else:
            self._read_on()

    def _pause(self) -> None:
        if self._is_reading:
            self._is_reading = False
            self._hub.loop.remove_reader(self._socket.fileno())

    def _resume(self) -> None:
        if not self._is_reading and not self._is_eof:
            self._is_reading = True
            self._hub.loop.add_reader(self._socket.fileno(), self._on_readable)

    # --- Writing ------------------------------------------------------------------------------------------

    def _put(self, data: bytes) -> None:
        unwritten = self._unwritten
        if not unwritten:
            self._unwritten = data
            cork.add(self)
        elif isinstance(unwritten, bytearray):
            unwritten += data
        else:
            self._unwritten = bytearray(unwritten)
            self._unwritten += data

    def _is_clogged(self) -> bool:
        return len(self._unwritten) > self._hub.most_unwritten_bytes

    def _check_room(self) -> None:
        if len(self._unwritten) > self._hub.most_unwritten_bytes and self._listener is not None:
            self._listener.troubled(Trouble.SLOW_CONSUMER)

    def flush(self) -> None:
        """Write what waits, as far as the socket takes it; the event loop tells when it takes more."""
        data = self._unwritten
        if not data:
            return
        size = len(data)
        try:
            sent = self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self._meet_reset()
            return
        if sent == size and not self._is_writing and self.state is OPEN and self._blocked is None:
            self._unwritten = b""
            return
        was_clogged = size > self._hub.most_unwritten_bytes
        if sent < size:
            if isinstance(data, bytearray):
                del data[:sent]
            else:
                self._unwritten = data[sent:]
        else:
            self._unwritten = b""
        self._watch_writing()
        if was_clogged and not self._is_clogged():
            self._release_blocked()
            self._hub.call_soon(self._read_on)
        if self.state is LINGERING and not self._unwritten and self._code not in VIOLATIONS:
            self._half_close()

    def give_up(self) -> None:
        """Cut the connection off: what would be written next follows a gap."""
        self.drop()

    def _watch_writing(self) -> None:
        is_waiting = bool(self._unwritten)
        if is_waiting and not self._is_writing:
            self._hub.loop.add_writer(self._socket.fileno(), self.flush)
        elif self._is_writing and not is_waiting:
            self._hub.loop.remove_writer(self._socket.fileno())
        self._is_writing = is_waiting

    def _meet_reset(self) -> None:
        """Note that the client is gone; what it said before is read, but not in the turn of another."""
        self._unwritten = b""
        self._watch_writing()
        self._is_eof = True
        self._pause()
        self._release_blocked()
        self._hub.call_soon(self.drop if self.state is LINGERING else self._read_on)

    def _release_blocked(self) -> None:
        if self._blocked is not None:
            self._blocked.set_result(None)
            self._blocked = None

    # --- The end ------------------------------------------------------------------------------------------

    def _finish(self, code: int, *, is_flooded: bool = False) -> None:
        """End the WebSocket: tell the listener, close our side behind what is written, and wait for the client's.

        A client that broke the protocol may still be sending; our side is closed when it has paused.
        """
        self.state = LINGERING
        self._end_phase()
        self._unread = b""
        self._end_timer()
        self._end(code)
        self._resume()
        deadline = self._hub.loop.time() + self._hub.close_seconds
        if is_flooded:
            self._timer = self._hub.loop.call_later(PAUSE_SECONDS, self._half_close_if_paused, deadline)
        else:
            self._timer = self._hub.loop.call_at(deadline, self.drop)
            if not self._unwritten:
                self._half_close()

    def _half_close_if_paused(self, deadline: float) -> None:
        loop = self._hub.loop
        if (self._unread or self._unwritten) and loop.time() < deadline:
            self._unread = b""
            self._timer = loop.call_later(PAUSE_SECONDS, self._half_close_if_paused, deadline)
        else:
            self._timer = loop.call_at(deadline, self.drop)
            self._half_close()

    def _half_close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        if self._is_eof:
            self.drop()

    def drop(self) -> None:
        """Close the socket at once; a WebSocket that was not over is lost, unless we had closed it."""
        if self.state is CLOSED:
            return
        self.state = CLOSED
        self._end_phase()
        self._unread = self._unwritten = b""
        self._end_timer()
        self._pause()
        self._watch_writing()
        self._release_blocked()
        self._socket.close()
        self._hub.wires.discard(self)
        self._end(LOST if self._code is None else self._code)

    def _end(self, code: int) -> None:
        self._code = code
        if self._busy is None:
            self._tell()
        elif not isinstance(self._busy, asyncio.Task):
            # No work, only the application's word that it wants to hear more.
            self._busy.cancel()

    def _tell(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            self._hub.start(self._hub.close_listener(listener, LOST if self._code is None else self._code))

    def _end_phase(self) -> None:
        if isinstance(self._phase, RareFrames):
            self._phase.release()
        self._phase = None

    def _end_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
