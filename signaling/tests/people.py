"""Clients of the real application, without a server between."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import Context
from functools import cached_property
from typing import Any, TypeAlias

from channels.testing import WebsocketCommunicator
from django.utils.module_loading import import_string

from serving.contract import EXTENSION, LOST, Event, Listener

Connect: TypeAlias = Callable[[], Awaitable["Person"]]

# On a busy machine, too.
ANSWER_SECONDS = 20
# By its name, as for an ASGI server: a room's tests connect to the whole application and import nothing above the room.
application: Any = import_string("signaling.routing.websocket_application")
OFFER, ANSWER = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n", "v=0\r\no=- 2 2 IN IP4 192.0.2.2\r\n"


class Person:
    """One WebSocket to `/signal`."""

    def __init__(self, communicator: WebsocketCommunicator) -> None:
        self.socket = communicator

    async def send(self, message_type: str, /, **payload: Any) -> None:
        """Send one message."""
        await self.send_raw(json.dumps({"type": message_type, "payload": payload}))

    async def send_raw(self, frame: str | bytes) -> None:
        """Send a frame as it is."""
        kind = "text" if isinstance(frame, str) else "bytes"
        event = {"type": "websocket.receive", kind: frame}
        # A server reads in no task and knows nothing of the test's context.
        asyncio.get_running_loop().call_soon(self.socket.input_queue.put_nowait, event, context=Context())
        await asyncio.sleep(0)

    async def expects(self, message_type: str, /, **fields: Any) -> dict[str, Any]:
        """The next message must be of this type and have these fields; returns its payload."""
        event = await self.socket.receive_output(ANSWER_SECONDS)
        assert event["type"] == "websocket.send", event
        message = json.loads(event["text"])
        assert message["type"] == message_type, message
        payload: dict[str, Any] = message["payload"]
        assert {name: payload.get(name) for name in fields} == fields, message
        return payload

    async def expects_close(self, code: int) -> None:
        """The next thing must be the server's close with this code."""
        event = await self.socket.receive_output(ANSWER_SECONDS)
        assert (event["type"], event.get("code")) == ("websocket.close", code), event

    async def expects_nothing(self) -> None:
        """Nothing came: the server has handled all that was sent, and its next answer is to a heartbeat."""
        await self.send("HEARTBEAT")
        await self.expects("HEARTBEAT_ACK")

    async def register(self, client_id: str) -> "Person":
        """Register."""
        await self.send("REGISTER", clientId=client_id)
        await self.expects("REGISTERED", clientId=client_id)
        return self

    async def leaves(self, code: int = 1000) -> None:
        """Go, with a close code, and wait until the server has cleaned up."""
        await self.socket.send_input({"type": "websocket.disconnect", "code": code})
        await self.socket.wait(ANSWER_SECONDS)

    async def is_cut_off(self) -> None:
        """Go without a close frame."""
        await self.leaves(1006)


class EventQueue(asyncio.Queue[Event]):
    """Events that wait for an application; `take` is asked first about each that would not wait behind others."""

    take: Callable[[Event], Event | None] | None = None

    def put_nowait(self, event: Event) -> None:
        """Queue what `take` leaves of an event."""
        left = event if self.take is None or self.qsize() else self.take(event)
        if left is not None:
            super().put_nowait(left)


class Communicator(WebsocketCommunicator):
    """A test's end of the application, whose queue asks what takes events while they are read."""

    @cached_property
    def input_queue(self) -> EventQueue:
        """What waits for the application."""
        return EventQueue()


# An event of our own: handling the frame before has to be awaited.
WAITS = "test.waits"


class OwnWebSocket:
    """A WebSocket as our own server has it: frames are handled while they are read, and written at once.

    Each of `pings` has its payload, and how many relayed messages were written before it.
    """

    def __init__(self, receive: Any, send: Any, *, can_ping: bool) -> None:
        self.can_ping = can_ping
        self.pings: list[tuple[bytes, int]] = []
        self.relayed = 0
        self.receive, self.send = receive, send
        self.incoming: EventQueue = receive.__self__
        self.outgoing: asyncio.Queue[Event] = send.__self__
        self.is_closed = self.is_idle = False
        self.listener: Listener

    @property
    def wire(self) -> "OwnWebSocket":
        """Return what an application finds that nothing was wrapped for."""
        return self

    def write(self, text: str, event: Event | None = None) -> bool:
        """Write at once."""
        if not self.is_closed:
            self.relayed += event is not None
            self.outgoing.put_nowait({"type": "websocket.send", "text": text})
        return not self.is_closed

    def ping(self, payload: bytes) -> bool:
        """Note the ping, for a client to answer or not."""
        self.pings.append((payload, self.relayed))
        return not self.is_closed

    def unsent(self) -> list[Event]:
        """Return nothing: what is written is sent."""
        return []

    def close(self, code: int, reason: str) -> None:
        """Close at once."""
        if not self.is_closed:
            self.is_closed = True
            self.outgoing.put_nowait({"type": "websocket.close", "code": code, "reason": reason})

    async def serve(self, listener: Listener) -> None:
        """Tell the listener what comes."""
        self.listener = listener
        code = LOST
        try:
            code = await self._serve()
        except Exception as error:  # noqa: BLE001 -- it is the listener's to log
            listener.failed(error)
        finally:
            self.incoming.take = None
            await listener.closed(code)

    async def _serve(self) -> int:
        await self.receive()
        await self.listener.opened()
        self.incoming.take = self._take
        while True:
            self.is_idle = True
            event = await self.receive()
            self.is_idle = False
            if event["type"] == WAITS:
                await event["rest"]
            elif event["type"] == "websocket.disconnect":
                code: int = event["code"]
                return code
            elif event["type"] == "websocket.ping":
                self.listener.pinged()
            elif (rest := self.listener.received(event.get("text"), event.get("bytes"))) is not None:
                await rest

    def _take(self, event: Event) -> Event | None:
        if event["type"] != "websocket.receive" or not self.is_idle:
            return event
        rest: Awaitable[None] | None
        try:
            rest = self.listener.received(event.get("text"), event.get("bytes"))
        except Exception as error:  # noqa: BLE001 -- `serve` meets it
            rest = _raise(error)
        return None if rest is None else {"type": WAITS, "rest": rest}


async def _raise(error: Exception) -> None:
    raise error


class HandingOver:
    """Runs the application as our own server does, where frames are handled while they are read."""

    websocket: OwnWebSocket

    def __init__(self, *, can_ping: bool = False) -> None:
        self._can_ping = can_ping

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        self.websocket = OwnWebSocket(receive, send, can_ping=self._can_ping)
        await application(scope | {"extensions": {EXTENSION: self.websocket}}, receive, send)


async def connect(address: str = "203.0.113.9", path: str = "/signal", server: Any = None, host: str = "") -> Person:
    """Open a WebSocket; `server` is what runs the application, `host` what the client calls it."""
    socket = Communicator(server or HandingOver(), path, headers=[(b"host", host.encode())] if host else None)
    socket.scope["client"] = (address, 50_000)
    is_connected, _ = await socket.connect(ANSWER_SECONDS)
    assert is_connected
    return Person(socket)


@asynccontextmanager
async def leaving() -> AsyncIterator[Callable[..., Awaitable[Person]]]:
    """Connect people who have gone when the block ends."""
    people: list[Person] = []

    async def join(**options: Any) -> Person:
        people.append(await connect(**options))
        return people[-1]

    try:
        yield join
    finally:
        for person in people:
            if not person.socket.future.done():
                await person.is_cut_off()


async def call(alice: Person, bob: Person, *, is_answered: bool = True) -> str:
    """Have Alice call Bob; returns the call's ID."""
    await alice.send("CALL_INITIATE", targetId="bob", sdpOffer=OFFER)
    incoming = await bob.expects("INCOMING_CALL", callerId="alice", sdpOffer=OFFER)
    call_id: str = incoming["callId"]
    if is_answered:
        await bob.send("CALL_ACCEPT", callId=call_id, sdpAnswer=ANSWER)
        await alice.expects("CALL_ACCEPTED", callId=call_id, sdpAnswer=ANSWER)
    return call_id
