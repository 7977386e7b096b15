"""Daphne's end of a WebSocket, with what the consumer needs of it and what daphne and autobahn cost saved."""

import time
from collections.abc import Mapping
from typing import Any

from daphne.server import twisted_loop
from daphne.ws_protocol import ConnectionDeny, WebSocketProtocol

from serving.cork import cork
from serving.frames import text_frame, whole_text_frame
from serving.http_request import ORIGIN_HEADER
from serving.transport import NO_CODE_RECEIVED, Event, EventQueue, Take

SERVICE_RESTART = 1012
RESTART_REASON = b"service restart"

# So many events may wait for an application before its client is read no further.
UNHANDLED_EVENTS = 64
# So many frames of one client are read before it is the others' turn: a read may hold a thousand messages, or ten
# thousand pings, and everybody else would wait until all are answered.
FRAMES_A_TURN = 16

# A reader so slow that it is closed for it must still get through its backlog to the close frame.
CLOSE_HANDSHAKE_SECONDS = 10
# Daphne reads as fast as a peer sends, even if the application is waiting: a pause bounds the memory.
RESUME_SECONDS = 0.02


class SignalingProtocol(WebSocketProtocol):  # type: ignore[misc]  # daphne ships no types
    """Daphne's WebSocket connection, and the `Transport` of the consumer behind it."""

    application_queue: EventQueue
    closeHandshakeTimeoutCall: Any  # noqa: N815  # autobahn's name

    # Autobahn copies these options to each connection and formats them for a debug line, more than half of the
    # work of a handshake; here they are the class's.
    CONFIG_ATTRS = ()

    # Daphne's are written in Python and called twice for each frame.
    __hash__ = object.__hash__
    __eq__ = object.__eq__

    def __init__(self, *args: Any) -> None:
        """Take what daphne's factory gives."""
        super().__init__(*args)
        self.unwritten: list[bytes] = []

    @classmethod
    def settle(cls, factory: Any) -> None:
        """Have the factory make these, with the options that we want."""
        factory.protocol = cls
        # failByDrop: a peer that breaks the protocol gets the close code that says so (1002, 1007, 1009).
        factory.setProtocolOptions(failByDrop=False, closeHandshakeTimeout=CLOSE_HANDSHAKE_SECONDS)
        for option in WebSocketProtocol.CONFIG_ATTRS:
            value = getattr(factory, option)
            # A function on a class would become a method; browsers offer compression and one of these answers.
            setattr(cls, option, staticmethod(value) if callable(value) else value)

    def onConnect(self, request: Any) -> Any:  # noqa: N802  # autobahn's name
        """Refuse the opening handshake while the server stops; give the application the origin as it came."""
        if self.factory.server_class.is_draining:
            self.factory.server_class.on_refused()
            raise ConnectionDeny(code=503, reason="Service restart")
        origin = request.headers.pop(ORIGIN_HEADER.decode(), None)
        if origin is not None:
            request.headers["origin"] = origin
        return super().onConnect(request)

    def onClose(self, was_clean: bool, code: int | None, reason: str | None) -> None:  # noqa: FBT001, N802
        """Report our own code for a close that we began; autobahn reports the peer's echo of it."""
        if not hasattr(self, "server"):
            return  # the handshake failed before daphne or the application heard of this connection
        if self.closedByMe:
            code = self.localCloseCode
        super().onClose(was_clean, NO_CODE_RECEIVED if code is None else code, reason)

    def connectionLost(self, reason: Any = None) -> None:  # noqa: N802  # Twisted's name
        """Let go of what refers back to this: garbage is collected rarely."""
        super().connectionLost(reason)
        self.is_closed = None
        if self.closeHandshakeTimeoutCall is not None:
            self.closeHandshakeTimeoutCall.cancel()
            self.closeHandshakeTimeoutCall = None

    def onPing(self, payload: bytes) -> None:  # noqa: N802
        """Answer with a pong and let the application know; some clients heartbeat with ping frames."""
        super().onPing(payload)
        self.application_queue.put_nowait({"type": "websocket.ping"})

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:  # noqa: ARG002, FBT001, FBT002, N802
        """Write soon, and without autobahn's debug line, whose arguments are formatted even while it is off."""
        if not self.unwritten:
            cork.add(self)
        self.unwritten.append(data)

    def flush(self) -> None:
        """Write what waits, past the reactor where the socket takes it: watching one costs two system calls."""
        data = b"".join(self.unwritten)
        self.unwritten.clear()
        transport = self.transport
        if transport.connected and not transport.dataBuffer and not transport._tempDataLen:  # noqa: SLF001 -- Twisted has no accessor
            written = transport.writeSomeData(data)
            if isinstance(written, int):
                data = data[written:]
        # Whatever was wrong, the reactor meets it again and knows what to do.
        transport.write(data)

    def give_up(self) -> None:
        """Cut the connection off: what would be written next follows a gap."""
        self.unwritten.clear()
        self.dropConnection(abort=True)

    def _closeConnection(self, abort: bool = False) -> None:  # noqa: FBT001, FBT002, N802
        cork.flush(self)
        super()._closeConnection(abort)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  # Twisted's name
        """Read without autobahn's debug line."""
        with cork:
            self._dataReceived(data)

    def consumeData(self) -> None:  # noqa: N802  # autobahn's name
        """Read what came, until it is the others' turn, or the application is behind."""
        self.frames_left, self.is_turn_over = FRAMES_A_TURN, False
        super().consumeData()
        queue = getattr(self, "application_queue", None)
        if queue is not None and queue.qsize() > UNHANDLED_EVENTS:
            self._pause(RESUME_SECONDS)
        elif self.is_turn_over:
            self._pause(0)

    def processData(self) -> bool:  # noqa: N802  # autobahn's name
        """Read the next frame; False when nothing is left, or no more is to be read now.

        Reading is half of what relaying a message costs autobahn, since a frame may come in pieces, compressed or
        wrong. One that is none of these is read here, and every other by autobahn.
        """
        if not self.frames_left:
            self.is_turn_over = True
            return False
        is_plain = self.current_frame is None and not self.inside_message and self._perMessageCompress is None
        if not is_plain or not self._read_frames():
            self.frames_left -= 1
            return bool(super().processData())
        self.last_ping = time.time()
        return bool(self.data)

    def _read_frames(self) -> int:
        """Read as many as there are, up to `frames_left`; returns how many bytes they were."""
        data, at = self.data, 0
        while self.frames_left and (frame := whole_text_frame(data, at)):
            is_open = self.state == self.STATE_OPEN
            # What follows our close frame counts for nothing, until the peer's.
            if not is_open and (self.failedByMe or not self.closedByMe):
                break
            text, at = frame
            self.frames_left -= 1
            if is_open:
                self.application_queue.put_nowait({"type": "websocket.receive", "text": text})
        self.data: bytes = data[at:]
        return at

    def _pause(self, seconds: float) -> None:
        self.transport.pauseProducing()
        twisted_loop.call_later(seconds, self._resume)

    def _resume(self) -> None:
        if self.state == self.STATE_CLOSED:
            return
        if self.application_queue.qsize() > UNHANDLED_EVENTS:
            twisted_loop.call_later(RESUME_SECONDS, self._resume)
            return
        self.transport.resumeProducing()
        with cork:
            self.consumeData()

    async def receive(self) -> Event:
        """Wait for the next event."""
        return await self.application_queue.get()

    async def send(self, event: Event) -> None:
        """Send an event; daphne drops it for a client that is gone."""
        await self.server.handle_reply(self, event)

    def is_writable(self) -> bool:
        """Return whether a frame would go out."""
        return bool(self.state == self.STATE_OPEN)

    def buffered_bytes(self) -> int:
        """Count what Twisted took and has not written: daphne never makes a sender wait, whatever the client reads."""
        transport = self.transport
        if transport is None:
            return 0
        waiting: int = transport._tempDataLen  # noqa: SLF001 -- Twisted has no accessor
        return len(transport.dataBuffer) - int(transport.offset) + waiting

    def send_text(self, text: str) -> bool:
        """Write a text frame past daphne's way to here; False where autobahn has a say in it."""
        if self._perMessageCompress is not None or self.state != self.STATE_OPEN:
            return False
        self.sendData(text_frame(text.encode()))
        return True

    def hand_over(self, take: Take) -> None:
        """Give each event to `take` while it is read; queue what it returns."""
        self.application_queue.take = take

    def close_code(self, event: Event) -> int:
        """Return the code, which `onClose` has seen to."""
        code: int = event["code"]
        return code

    def detach(self) -> None:
        """Let go of what `hand_over` was given."""
        self.application_queue.take = None

    def handle_reply(self, message: Mapping[str, Any]) -> None:
        """Send a close with its reason, which daphne loses; drop what follows it, where autobahn raises."""
        if self.state == self.STATE_OPEN and message["type"] == "websocket.close":
            reason = (message.get("reason") or "").encode()
            self.sendCloseFrame(code=message.get("code") or 1000, reasonUtf8=reason)
        elif self.state in {self.STATE_CONNECTING, self.STATE_OPEN}:
            super().handle_reply(message)

    def close_for_restart(self) -> None:
        """Tell the peer that the server stops; a handshake that is still open is refused instead."""
        if self.state == self.STATE_CONNECTING and hasattr(self, "handshake_deferred"):
            self.handshake_deferred.errback(ConnectionDeny(code=503, reason="Service restart"))
            del self.handshake_deferred
            self.server.protocol_disconnected(self)
        elif self.state == self.STATE_OPEN:
            self.sendCloseFrame(code=SERVICE_RESTART, reasonUtf8=RESTART_REASON)

    def __repr__(self) -> str:
        """Without the client's address, which daphne would log."""
        return f"<{type(self).__name__} at {id(self):#x}>"
