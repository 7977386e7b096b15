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

from serving.transport import EXTENSION, Event, EventQueue, PlainTransport, Take

Connect: TypeAlias = Callable[[], Awaitable["Person"]]

ANSWER_SECONDS = 3
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


class Communicator(WebsocketCommunicator):
    """A test's end of the application, whose queue asks what takes events while they are read."""

    @cached_property
    def input_queue(self) -> EventQueue:
        """What waits for the application."""
        return EventQueue()


class OwnTransport(PlainTransport):
    """A transport as our own server has it."""

    def __init__(self, receive: Any, send: Any) -> None:
        super().__init__(receive, send)
        self.queue: EventQueue = receive.__self__

    def hand_over(self, take: Take) -> None:
        """Give each event to `take` as it is put."""
        self.queue.take = take

    def close_code(self, event: Event) -> int:
        """Return the code, which is exact."""
        code: int = event["code"]
        return code

    def detach(self) -> None:
        """Let go of it."""
        self.queue.take = None


async def handing_over(scope: Any, receive: Any, send: Any) -> None:
    """Run the application as our own server does, where frames are handled while they are read."""
    await application(scope | {"extensions": {EXTENSION: OwnTransport(receive, send)}}, receive, send)


async def connect(address: str = "203.0.113.9", path: str = "/signal", server: Any = handing_over) -> Person:
    """Open a WebSocket; `server` is what runs the application."""
    socket = Communicator(server, path)
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
