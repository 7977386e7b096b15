"""Registered clients of the tests, and the servers that they are connected to."""

import asyncio
import json
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from websockets.exceptions import ConnectionClosed

from securecall_client import ids
from tests.support.client import ANSWER_SECONDS, Client
from tests.support.servers import RunningServer

# What a browser sends, line ends included; a call's own words are appended to it.
OFFER = "v=0\r\no=- 4611731400430051336 2 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
ANSWER = OFFER.replace("4611731400430051336", "1836002147654321098")
CANDIDATE = "candidate:842163049 1 udp 1677729535 192.0.2.7 46154 typ srflx raddr 10.0.0.5 rport 46154"

new_call_id = ids.new_call_id

ERROR_FIELDS = {"code", "message", "request", "callId", "retryAfterMs"}
CODES = {"INVALID_MESSAGE", "NOT_REGISTERED", "TARGET_NOT_FOUND", "CALL_NOT_FOUND", "RATE_LIMITED"}


@dataclass(frozen=True)
class Target:
    """Servers to connect to: `here`, and `there`, which is another process of the same system if there are two."""

    name: str
    here: RunningServer
    there: RunningServer


class Person(Client):
    """A client with an ID of its own: `async with Person(server.ws_url, "alice-1") as alice`."""

    def __init__(self, url: str, client_id: str, **options: Any) -> None:
        # A peer that does not read must not hold up the end of a test.
        super().__init__(url, **{"close_timeout": 1} | options)
        self.id = client_id
        self.url = url

    async def registers(self) -> Self:
        """Register under its own ID."""
        await self.register(self.id)
        return self

    async def expects_error(
        self, code: str, request: str | None = None, call_id: str | None = None, seconds: float = ANSWER_SECONDS
    ) -> dict[str, Any]:
        """The next message must be an ERROR of exactly the documented shape, naming this request and call."""
        error = await self.expects("ERROR", seconds, code=code)
        assert error.keys() <= ERROR_FIELDS, error
        assert error["code"] in CODES
        assert error["message"].endswith("."), error
        assert error.get("request") == request, error
        assert error.get("callId") == call_id, error
        if code == "RATE_LIMITED":
            assert type(error["retryAfterMs"]) is int, error
            assert error["retryAfterMs"] > 0
        else:
            assert "retryAfterMs" not in error
        return error

    async def expects_nothing_else(self) -> None:
        """Send a heartbeat, whose answer must be the next message: everything before it has come."""
        await self.send("HEARTBEAT")
        assert await self.expects("HEARTBEAT_ACK") == {}

    async def rings(self, callee: "Person") -> str:
        """Call another person and let it ring there; returns the callId."""
        call_id = new_call_id()
        await self.send("CALL_INITIATE", targetId=callee.id, sdpOffer=OFFER, callId=call_id)
        await callee.expects("INCOMING_CALL", callId=call_id, callerId=self.id, sdpOffer=OFFER)
        return call_id

    async def talks_to(self, callee: "Person") -> str:
        """Call another person, who accepts; returns the callId."""
        call_id = await self.rings(callee)
        await callee.send("CALL_ACCEPT", callId=call_id, sdpAnswer=ANSWER)
        await self.expects("CALL_ACCEPTED", callId=call_id, sdpAnswer=ANSWER)
        return call_id

    async def reaches(self, peer: "Person", call_id: str) -> None:
        """A candidate must be the next thing that the peer hears: the call lives, and nothing else was said."""
        word = secrets.token_hex(4)
        await self.send("ICE_CANDIDATE", callId=call_id, candidate=word)
        assert await peer.expects("ICE_CANDIDATE", callId=call_id, candidate=word) == {
            "callId": call_id,
            "candidate": word,
        }

    async def next_message(self) -> dict[str, Any]:
        """Return the next message, of whatever type."""
        message: dict[str, Any] = json.loads(await self.received())
        return message

    async def received(self) -> str:
        """The next frame's text, for what decoding would hide."""
        async with asyncio.timeout(ANSWER_SECONDS):
            frame = await self.connection.recv()
        assert isinstance(frame, str)
        return frame


async def until_closed(
    client: Client, hear: Callable[[dict[str, Any]], object] = bool, seconds: float = ANSWER_SECONDS
) -> tuple[int, str]:
    """Hear messages until the server closes; returns its close code and reason."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                hear(json.loads(await client.connection.recv()))
    except ConnectionClosed as closed:
        received = closed.rcvd
    assert received is not None, "dropped without a close frame"
    return received.code, received.reason


async def is_admitted(client: Client) -> bool:
    """Return whether the connection may stay; one that may not is told so and closed with 4429."""
    with suppress(ConnectionClosed):
        await client.send("HEARTBEAT")
    answer = json.loads(await client.connection.recv())
    if answer["type"] == "HEARTBEAT_ACK":
        return True
    assert answer["payload"]["code"] == "RATE_LIMITED"
    assert answer["payload"]["retryAfterMs"] > 0
    assert "request" not in answer["payload"]
    await client.expects_close(4429, "too many connections")
    return False


async def drops(person: Person, witness: Person, call_id: str) -> None:
    """Cut the person's connection, and wait until the server knows; `call_id` is one of their open calls.

    Whether the target is connected is asked first: with a used callId the question leaves no trace.
    """
    person.drop()
    async with asyncio.timeout(5):
        while True:
            await witness.send("CALL_INITIATE", targetId=person.id, sdpOffer=OFFER, callId=call_id)
            if (await witness.expects("ERROR"))["code"] == "TARGET_NOT_FOUND":
                return


async def drops_having_read(person: Person, witness: Person, call_id: str) -> None:
    """Do as `drops` does, once the server has proof that the person has read all that was sent."""
    await person.has_proved()
    await drops(person, witness, call_id)


def frame(message_type: Any, payload: Any = None, **extra: Any) -> str:
    """A message's text, right or wrong."""
    message = {"type": message_type, "payload": {} if payload is None else payload, **extra}
    return json.dumps(message, ensure_ascii=False)
