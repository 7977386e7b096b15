"""A client whose messages are the wire's own words, for tests that read as sentences.

It stands on `securecall_client.Connection` and leaves frames as they are: what typed messages would not let a test
send, and what decoding would hide, is what tests are about.
"""

import asyncio
import json
from typing import Any, Self

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from securecall_client import Connection

# Not how quick the server has to be, but after how long a test says that nothing came, however busy the machine is.
ANSWER_SECONDS = 20
SILENCE_SECONDS = 0.3
# What the server asks for proof of; the rest are answers.
RELAYED = ("INCOMING_CALL", "CALL_ACCEPTED", "CALL_REJECTED", "CALL_ENDED", "ICE_CANDIDATE")

ENDING = ("CALL_END", "CALL_REJECT")


class Asked(ClientConnection):
    """A WebSocket that knows whether the server has asked for a pong since the last message that was relayed."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.is_asked = asyncio.Event()
        self.is_asked.set()

    def process_event(self, event: Any) -> None:
        """Look at each frame before it is handled."""
        if isinstance(event, Frame):
            if event.opcode is Opcode.PING:
                self.is_asked.set()
            elif event.opcode is Opcode.TEXT and any(
                f'"{name}"'.encode() in bytes(event.data[:40]) for name in RELAYED
            ):
                self.is_asked.clear()
        super().process_event(event)


class Client:
    """One WebSocket to `/signal`: `async with Client(server.ws_url) as alice`."""

    def __init__(self, url: str, **options: Any) -> None:
        self._url = url
        # Longer frames than a client takes are the recorder's.
        self._options = {"max_size": None, "create_connection": Asked} | options
        self._open: Connection | None = None

    async def __aenter__(self) -> Self:
        self._open = await Connection.open(self._url, **self._options)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def connection(self) -> ClientConnection:
        """The WebSocket itself, for pings, fragments and the transport below."""
        return self._connection.websocket

    @property
    def _connection(self) -> Connection:
        assert self._open is not None, "not connected"
        return self._open

    async def close(self, code: int = 1000) -> None:
        """Close cleanly with `code`."""
        await self._connection.close(code)

    def drop(self) -> None:
        """Cut the TCP connection without a close frame."""
        self._connection.abort()

    async def has_proved(self) -> None:
        """Wait until the server has had a pong for all that was relayed to this client, which has heard it all."""
        asked = self.connection
        assert isinstance(asked, Asked)
        async with asyncio.timeout(ANSWER_SECONDS):
            await asked.is_asked.wait()
        await self.send("HEARTBEAT")
        await self.expects("HEARTBEAT_ACK")

    async def send(self, message_type: str, /, **payload: Any) -> None:
        """Send one message."""
        await self.send_raw(json.dumps({"type": message_type, "payload": payload}))

    async def send_raw(self, frame: str | bytes) -> None:
        """Send a text or a binary frame as it is."""
        if (
            isinstance(frame, str)
            and any(f'"{name}"' in frame for name in ENDING)
            and isinstance(self.connection, Asked)
        ):
            # Nothing of the call is left to be proved.
            self.connection.is_asked.set()
        await self.connection.send(frame)

    async def expects(self, message_type: str, /, seconds: float = ANSWER_SECONDS, **fields: Any) -> dict[str, Any]:
        """The next message must be of this type and have these fields; returns its payload."""
        came = await self._next(seconds)
        failure = f"expected {message_type} {json.dumps(fields)}, but {describe(came, seconds)}"
        assert isinstance(came, dict), failure
        assert came.get("type") == message_type, failure
        payload: dict[str, Any] = came.get("payload", {})
        assert all(name in payload and payload[name] == value for name, value in fields.items()), failure
        return payload

    async def expects_close(self, code: int, reason: str | None = None, seconds: float = ANSWER_SECONDS) -> None:
        """The next thing must be the server's close frame with this code, and this reason if given."""
        came = await self._next(seconds)
        failure = f"expected close {code}, but {describe(came, seconds)}"
        assert isinstance(came, ConnectionClosed), failure
        assert came.rcvd is not None, failure
        assert came.rcvd.code == code, failure
        assert reason is None or came.rcvd.reason == reason, failure

    async def expects_nothing(self, seconds: float = SILENCE_SECONDS) -> None:
        """Nothing may come for a while, and the connection must stay open."""
        came = await self._next(seconds)
        assert came is None, f"expected silence, but {describe(came, seconds)}"

    async def register(self, client_id: str) -> dict[str, Any]:
        """Register; returns the payload of REGISTERED."""
        await self.send("REGISTER", clientId=client_id)
        return await self.expects("REGISTERED", clientId=client_id)

    async def _next(self, seconds: float) -> dict[str, Any] | ConnectionClosed | None:
        try:
            async with asyncio.timeout(seconds):
                message: dict[str, Any] = json.loads(await self.connection.recv())
        except TimeoutError:
            return None
        except ConnectionClosed as closed:
            return closed
        return message


def describe(came: dict[str, Any] | ConnectionClosed | None, seconds: float) -> str:
    """Describe what came, for the message of a failed expectation."""
    if came is None:
        return f"nothing came within {seconds} s"
    if isinstance(came, ConnectionClosed):
        return f"the connection closed: {came}"
    return f"this came: {json.dumps(came)[:2000]}"
