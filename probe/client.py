"""One WebSocket to a server, and the protocol's JSON on it."""

import asyncio
import secrets
from typing import Any, Self

import msgspec
from websockets.asyncio.client import ClientConnection, connect

from probe.failures import RefusedError, WrongAnswerError

CLOSE_SECONDS = 2
MAX_FRAME_BYTES = 256 * 1024

_encode = msgspec.json.Encoder().encode
Message = dict[str, Any]


class Client:
    """A client with an ID of its own; errors are the library's, or `WrongAnswerError`."""

    def __init__(self, client_id: str, connection: ClientConnection, seconds: float) -> None:
        """Take over an open connection; every answer may take `seconds`."""
        self.id = client_id
        self.connection = connection
        self._seconds = seconds

    @classmethod
    async def connected(cls, url: str, client_id: str, *, seconds: float, origin: str | None = None) -> Self:
        """Open a connection to `url` within `seconds`. Without `origin` none is sent, as native apps do."""
        connection = await connect(
            url,
            origin=origin,  # type: ignore[arg-type]  # a NewType of str that the library does not export
            open_timeout=seconds,
            close_timeout=CLOSE_SECONDS,
            # The server offers none, and heartbeats are the protocol's.
            compression=None,
            ping_interval=None,
            max_size=MAX_FRAME_BYTES,
        )
        return cls(client_id, connection, seconds)

    async def close(self) -> None:
        """Close cleanly, which ends the client's calls."""
        await self.connection.close()

    async def send(self, message_type: str, payload: Message) -> None:
        """Send one message."""
        await self.send_text(text_of(message_type, payload))

    async def send_text(self, text: str) -> None:
        """Send a text frame as it is."""
        await self.connection.send(text)

    async def expect(self, message_type: str, expected: Message) -> Message:
        """The next message must have this type and these fields; returns its payload."""
        try:
            async with asyncio.timeout(self._seconds):
                frame = await self.connection.recv()
        except TimeoutError:
            raise WrongAnswerError(f"No {message_type} came within {self._seconds:g} s.") from None
        came, payload = read(frame)
        if came == "ERROR" and message_type != "ERROR":
            raise RefusedError(message_type, str(payload.get("code")), str(payload.get("message")))
        if came != message_type:
            raise WrongAnswerError(f"Instead of {message_type} came a message of type {came!r:.40}.")
        for name, value in expected.items():
            if name not in payload:
                raise WrongAnswerError(f"{message_type} came without {name}.")
            if payload[name] != value:
                raise WrongAnswerError(
                    f"The {name} of {message_type} is not what was to come: it was altered on the way."
                )
        return payload

    async def register(self) -> Message:
        """Register; returns the payload of REGISTERED."""
        await self.send("REGISTER", {"clientId": self.id})
        return await self.expect("REGISTERED", {"clientId": self.id})


def text_of(message_type: str, payload: Message) -> str:
    """Encode a message."""
    return _encode({"type": message_type, "payload": payload}).decode()


def read(frame: str | bytes) -> tuple[str, Message]:
    """Decode a frame to its type and payload; raises `WrongAnswerError` for what is no message."""
    try:
        message = msgspec.json.decode(frame) if isinstance(frame, str) else None
    except msgspec.DecodeError:
        message = None
    match message:
        case {"type": str(message_type), "payload": dict(payload)}:
            return message_type, payload
    raise WrongAnswerError("A frame came that is no message of the protocol: is this a SecureCall server?")


def new_client_id(prefix: str) -> str:
    """A client ID that nobody guesses, so that nobody can call it or take it over."""
    return f"{prefix}-{secrets.token_hex(12)}"


def new_call_id() -> str:
    """A call ID of 128 random bits (PROTOCOL.md, "Calls")."""
    return secrets.token_urlsafe(16)
