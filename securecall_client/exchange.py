"""A registered connection: answers go to their requests, the rest to its owner, and heartbeats keep it alive."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import TypeVar

from securecall_client.codec import CLIENT_MESSAGES
from securecall_client.connection import Connection
from securecall_client.errors import ClosedError, InvalidFrameError, RequestError
from securecall_client.messages import ClientMessage, Heartbeat, HeartbeatAck, ServerMessage, Unknown
from securecall_client.unanswered import Unanswered

Answer = TypeVar("Answer", bound=ServerMessage)

logger = logging.getLogger(__name__)


class Exchange:
    """The messages of one registered connection, while `run` runs."""

    def __init__(
        self, connection: Connection, deliver: Callable[[ServerMessage], None], heartbeat_seconds: float
    ) -> None:
        """`deliver` gets what answers no request."""
        self.connection = connection
        self._deliver = deliver
        self._heartbeat_seconds = heartbeat_seconds
        self._unanswered = Unanswered()
        self._has_heard = True
        self.over = asyncio.Event()

    async def run(self) -> ClosedError:
        """Receive messages and send heartbeats until the connection is closed; returns how it was closed."""
        beating = asyncio.create_task(self._beat())
        closed = ClosedError()
        try:
            while True:
                await self._receive()
        except ClosedError as error:
            closed = error
        finally:
            beating.cancel()
            self._unanswered.fail(closed)
            self.over.set()
        return closed

    async def send(self, message: ClientMessage) -> None:
        """Send a message, of whose fate nothing is waited for."""
        if isinstance(message, Heartbeat):
            self._unanswered.add(CLIENT_MESSAGES[Heartbeat], answer=HeartbeatAck)
        await self.connection.send(message)

    async def request(self, message: ClientMessage, answer: type[Answer]) -> Answer:
        """Send a message and return its answer, which is of this type; raises `RequestError`, `InvalidFrameError`."""
        settled = self._unanswered.add(CLIENT_MESSAGES[type(message)], answer=answer)
        await self.connection.send(message)
        result: Answer = await settled
        return result

    async def confirm(self, message: ClientMessage, call_id: str) -> None:
        """Send a message that is silent on success, and wait until the server has carried it out."""
        settled = self._unanswered.add(CLIENT_MESSAGES[type(message)], call_id=call_id)
        await self.connection.send(message)
        await self.send(Heartbeat())
        await settled

    async def catch_up(self) -> None:
        """Wait until what waited for this client has come; it precedes the answer to a heartbeat."""
        # One that is refused for its rate is answered, too.
        with contextlib.suppress(RequestError):
            await self.request(Heartbeat(), HeartbeatAck)

    async def _receive(self) -> None:
        try:
            message = await self.connection.receive()
        except InvalidFrameError as error:
            if not self._unanswered.fail_unreadable(error):
                logger.warning("A frame of the server is ignored. %s", error)
            return
        self._has_heard = True
        if isinstance(message, Unknown):
            logger.info("A message of type %.40r is ignored, which this client does not know.", message.type)
        elif not self._unanswered.settle(message):
            self._deliver(message)

    async def _beat(self) -> None:
        """Send heartbeats; cut a connection on which nothing came since the last one, not even its answer."""
        with contextlib.suppress(ClosedError):
            while True:
                await asyncio.sleep(self._heartbeat_seconds)
                if not self._has_heard:
                    self.connection.abort()
                    return
                self._has_heard = False
                await self.send(Heartbeat())
