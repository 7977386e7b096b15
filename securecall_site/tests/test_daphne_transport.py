"""What a consumer is told by daphne's end of a connection, which ASGI does not tell."""

import asyncio
import socket
from typing import Any

import pytest
from daphne.server import twisted_loop
from twisted.internet import reactor

from securecall_site.tests.test_reading import ANSWER_SECONDS, CLOSING, GOING_AWAY, HANDSHAKE, MESSAGE, End, turns
from serving.daphne_websocket import SignalingProtocol
from serving.transport import Event, Transport, transport_of


class Listening(End):
    """An application that has events handed over, and keeps what it finds."""

    def __init__(self) -> None:
        super().__init__(SignalingProtocol)
        self.transport: Transport
        self.taken: list[Event] = []

    async def application(self, scope: Event, receive: Any, send: Any) -> None:
        await receive()
        self.transport = transport_of(scope, receive, send)
        self.transport.hand_over(self.take)
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] != "websocket.disconnect":
            self.events.append(event)
        self.events.append(event)

    def take(self, event: Event) -> Event | None:
        """Take messages, and leave what tells of the end."""
        if event["type"] == "websocket.receive":
            self.taken.append(event)
            return None
        return event

    async def meets(self, last: bytes) -> None:
        """Read a message, and then what ends the connection; none: the client is gone."""
        client, server = socket.socketpair()
        client.setblocking(False)  # noqa: FBT003 -- the socket module's
        with client:
            with server:
                twisted = reactor.adoptStreamConnection(server.fileno(), socket.AF_UNIX, self.daphne.http_factory)
            twisted.protocol.dataReceived(HANDSHAKE)
            await turns(3)
            assert self.transport.is_writable()
            twisted.protocol.dataReceived(MESSAGE)
            # In the same turn.
            assert len(self.taken) == 1
            assert self.events == []
            if last:
                twisted.protocol.dataReceived(last)
                # The application has not heard of it.
                assert self.events == []
            else:
                twisted.abortConnection()
                while twisted.connected:
                    await turns(1)
            assert not self.transport.is_writable()
            async with asyncio.timeout(ANSWER_SECONDS):
                while not self.events:
                    await asyncio.sleep(0)
            twisted.abortConnection()
            await turns(3)


@pytest.mark.parametrize(
    ("last", "code"),
    [
        pytest.param(CLOSING, GOING_AWAY, id="closed"),
        pytest.param(bytes.fromhex("8880 00000000"), 1005, id="closed without a code"),
        pytest.param(b"", 1006, id="lost"),
    ],
)
def test_end_is_known_before_the_application_hears_of_it(last: bytes, code: int) -> None:
    end = Listening()
    twisted_loop.run_until_complete(end.meets(last))
    assert end.transport.close_code(end.events[-1]) == code
