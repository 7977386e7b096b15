"""A client of the server that is tried, and what must come on its connection."""

import asyncio
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import msgspec

from diagnostics.failures import RefusedError, WrongAnswerError
from securecall_client import ClientMessage, Connection, Error, Registered, RequestError, ServerMessage, new_client_id
from securecall_client.codec import name_of

Answer = TypeVar("Answer", bound=ServerMessage)


@dataclass(frozen=True, slots=True, eq=False)
class Participant:
    """A client ID and its connection; each answer may take `seconds`.

    `ProbeError` says what came instead of an answer; other errors are those of `Connection`.
    """

    id: str
    connection: Connection
    seconds: float

    @classmethod
    async def connected(cls, url: str, prefix: str, *, seconds: float, origin: str | None = None) -> Self:
        """Connect to `url` within `seconds`, with a new ID. Without `origin` none is sent, as native apps do."""
        connection = await Connection.open(url, open_timeout=seconds, origin=origin)
        return cls(new_client_id(prefix), connection, seconds)

    async def send(self, message: ClientMessage) -> None:
        """Send a message."""
        await self.connection.send(message)

    async def expect(self, answer: type[Answer], **fields: Any) -> Answer:
        """Return the next message, which must be of this type and have these fields."""
        name = name_of(answer)
        try:
            async with asyncio.timeout(self.seconds):
                message = await self.connection.receive()
        except TimeoutError:
            raise WrongAnswerError(f"No {name} came within {self.seconds:g} s.") from None
        if not isinstance(message, answer):
            if isinstance(message, Error):
                raise RefusedError(name, message.code, message.message)
            raise WrongAnswerError(f"Instead of {name} came a message of type {name_of(message)!r:.40}.")
        _check(message, fields)
        return message

    async def register(self) -> Registered:
        """Register."""
        try:
            async with asyncio.timeout(self.seconds):
                registered = await self.connection.register(self.id)
        except TimeoutError:
            raise WrongAnswerError(f"No {name_of(Registered)} came within {self.seconds:g} s.") from None
        except RequestError as error:
            raise RefusedError(name_of(Registered), error.code, error.message) from None
        _check(registered, {"client_id": self.id})
        return registered

    async def close(self) -> None:
        """Close cleanly, which ends the client's calls."""
        await self.connection.close()


def _check(message: ServerMessage, expected: dict[str, Any]) -> None:
    came = msgspec.structs.asdict(message)
    for field in msgspec.structs.fields(message):
        if field.name in expected and came[field.name] != expected[field.name]:
            raise WrongAnswerError(
                f"The {field.encode_name} of {name_of(message)} is not what was to come: it was altered on the way."
            )
