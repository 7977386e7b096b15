"""The WebSocket consumer: frames in, frames out, and the one place where an error becomes an `ERROR`."""

import asyncio
import contextvars
import logging
import time
from collections.abc import Awaitable
from typing import Any

from channels.consumer import get_handler_name
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings

from bans.networks import number_of
from serving.contract import Rest, Trouble, WebSocket
from serving.plain import websocket_of
from signaling.admission.client_ip import client_address_in, pseudonym_of
from signaling.admission.host import host_of
from signaling.admission.origin import refuse
from signaling.cluster import node
from signaling.connections.connection import Connection
from signaling.delivery.events import Event
from signaling.handlers import HANDLERS
from signaling.protocol.closing import (
    INTERNAL_ERROR,
    SLOW_CONSUMER,
    TOO_MANY_CONNECTIONS,
    TOO_MANY_REQUESTS,
    Close,
    Hold,
    hold_after,
)
from signaling.protocol.decoding import Malformed, decode, named_in
from signaling.protocol.errors import (
    InvalidMessageError,
    NotRegisteredError,
    ProtocolError,
    RateLimitedError,
)
from signaling.protocol.limits import Allowance
from signaling.publishing import needs_no_registration
from signaling.telemetry.counters import BANNED, TOO_MANY_FROM_ADDRESS, counters

logger = logging.getLogger(__name__)

BEFORE_REGISTER = frozenset({"REGISTER", "HEARTBEAT"})

TROUBLES = {Trouble.SLOW_CONSUMER: SLOW_CONSUMER, Trouble.WRITE_FAILED: INTERNAL_ERROR}

# Strong references: an event loop keeps none of its own.
_tasks: set[asyncio.Task[None]] = set()


class SignalConsumer(AsyncJsonWebsocketConsumer):
    """One WebSocket at `/signal`.

    Channels' own loop makes a task for every event and asks the database for stale connections before each, two thread
    hops a message. Here the WebSocket calls `received` for each frame while it reads, and the channel layer the
    connection's `deliver` for each event. Channels' methods for a consumer work all the same; on our own server the
    application returns once the connection is open, and the connection keeps the consumer.
    """

    # Channels would make a list for each consumer.
    groups: Any = ()

    connection: Connection
    # The client's address, as a number; by it a ban of its network finds the connection.
    network: int
    connected_at: float
    last_seen: float
    tick: int
    # What ended the connection; until something better is known.
    ended_by: Close | int = INTERNAL_ERROR
    # How long its calls are held once it has ended: the client's close alone may shorten it.
    hold: Hold = Hold.FULL
    is_admitted = False
    is_shut = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection; return when it is closed, or when the server goes on by itself."""
        self.node = await node.current()
        address = client_address_in(scope)
        self.network = number_of(address)
        if self.node.relay.bans.network_seconds(self.network, time.time()):
            counters.connections_refused[BANNED] += 1
            await refuse(scope, receive, send)
            return
        self.scope = scope
        self.connected_at = self.last_seen = time.monotonic()
        self.tick = 0
        limits = settings.LIMITS
        self.websocket: WebSocket = websocket_of(scope, receive, send, limits.outbound_queue_bytes)
        self.channel_name = await self.node.layer.new_channel()
        self.connection = Connection(self.node.relay, self.channel_name, Allowance(limits, self.last_seen), self)
        self.address = self.connection.address = pseudonym_of(address)
        if settings.DIRECTORY_NAME:
            self.connection.host = host_of(scope, settings.ALLOWED_HOSTS)
        try:
            await self.websocket.serve(self)
        finally:
            # Half of a connection's memory.
            del self.scope

    async def base_send(self, message: Any) -> None:
        """Send an ASGI event, as Channels' methods do."""
        await self.websocket.send(message)

    async def opened(self) -> None:
        """Attach the channel, start the timeouts and answer the opening handshake."""
        self.node.layer.attach(self.channel_name, self.connection.deliver)
        self.node.add(self)
        await self.connect()

    async def connect(self) -> None:
        """Accept the opening handshake, or accept it only to say that there are too many."""
        self.is_admitted = await self.node.admit(self.address)
        try:
            await self.accept()
        except OSError:
            # The client is gone; `closed` comes next.
            return
        if not self.is_admitted:
            counters.connections_refused[TOO_MANY_FROM_ADDRESS] += 1
            error = RateLimitedError("There are too many connections from your address; wait, then try again.", 60)
            self.connection.refuse(error)
            self.shut(TOO_MANY_CONNECTIONS)

    def handle(self, event: Event) -> bool:
        """Pass an event of the channel layer to the method that Channels would call; returns False if there is none."""
        handler = getattr(self, get_handler_name(event), None)
        if handler is None:
            return False
        self._start(handler(event))
        return True

    def received(self, text: str | None, data: bytes | None) -> Rest | None:
        """Handle one frame; whatever is wrong with it, the connection stays. A binary one always is."""
        connection = self.connection
        if connection.is_leaving:
            # It is being superseded or closed: nothing that it says now counts.
            return None
        now = self.last_seen = connection.received_at = time.monotonic()
        try:
            connection.allowance.consume_message(now)
            if text is None or data is not None:
                raise InvalidMessageError("Send messages in text frames; this one was binary.")
            message = decode(text)
            counters.messages_received[message.type] += 1
            is_early = connection.client_id is None and message.type not in BEFORE_REGISTER
            if is_early and not needs_no_registration(message):
                raise NotRegisteredError
            if isinstance(message, Malformed):
                raise message.error
            rest = HANDLERS[type(message)](connection, message)
        except ProtocolError as error:
            self.refuse(error, text)
            return None
        return None if rest is None else self._finish(rest, text)

    async def _finish(self, rest: Awaitable[None], text: str | None) -> None:
        try:
            await rest
        except ProtocolError as error:
            self.refuse(error, text)

    def refuse(self, error: ProtocolError, text: str | None) -> None:
        """Reply what was wrong with a message; close the connection of a client that was refused too often."""
        connection = self.connection
        connection.refuse(error, *named_in(text))
        if isinstance(error, RateLimitedError) and connection.allowance.is_exhausted(connection.received_at):
            self.shut(TOO_MANY_REQUESTS)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **_: Any) -> None:
        """Handle one frame, as Channels calls it."""
        rest = self.received(text_data, bytes_data)
        if rest is not None:
            await rest

    async def receive_json(self, content: Any, **_: Any) -> None:
        """Handle one message that is decoded already."""
        await self.receive(await self.encode_json(content))

    def pinged(self) -> None:
        """Note that the client is alive."""
        self.last_seen = self.connection.received_at = time.monotonic()

    def ponged(self, payload: bytes) -> None:
        """Note what the client has read; a pong is no sign of life (PROTOCOL.md, "Taken is delivered")."""
        self.connection.relay.proofs.prove(self.connection, payload)

    def troubled(self, trouble: Trouble) -> None:
        """Close the connection, which cannot be written to."""
        self.shut(TROUBLES[trouble])

    def failed(self, error: Exception) -> None:
        """Log a bug and close the connection; its calls are held."""
        logger.error("A connection met a bug and is closed", exc_info=error)
        self.shut(INTERNAL_ERROR)

    def shut(self, close: Close) -> None:
        """Close the connection from this side; its calls are held."""
        if not self.is_shut:
            self.is_shut = True
            self.ended_by = close
            self.connection.leave_soon(hold=Hold.FULL)
            self.websocket.close(*close)

    async def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Close the connection from this side, as Channels calls it; its calls are held."""
        self.shut(INTERNAL_ERROR if code is None else Close(code, reason or ""))

    async def closed(self, code: int) -> None:
        """Clean up after the connection ended with this code."""
        if not self.is_shut:
            self.hold = hold_after(code)
            self.ended_by = code
        await self.disconnect(code)

    async def disconnect(self, _code: int | None = None) -> None:
        """Clean up, however the connection ended."""
        self.node.discard(self)
        try:
            await asyncio.shield(self.connection.leave_soon(hold=self.hold))
        finally:
            self.node.layer.detach(self.channel_name)
            if self.is_admitted:
                await self.node.depart(self.address)
            # It refers back to this one. Nobody is left to be told anything.
            self.is_shut = True
            del self.connection

    def _start(self, coroutine: Any) -> None:
        # Its own context: an event is delivered in another client's turn.
        task = asyncio.get_running_loop().create_task(self._guard(coroutine), context=contextvars.Context())
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)

    async def _guard(self, awaitable: Awaitable[None]) -> None:
        try:
            await awaitable
        except Exception as error:  # noqa: BLE001 -- `failed` logs it
            self.failed(error)
