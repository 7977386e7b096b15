"""The WebSocket consumer: frames in, frames out, and the one place where an error becomes an `ERROR`."""

import asyncio
import logging
import time
from typing import Any

from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings

from serving.send_queue import SendQueue, Trouble
from serving.stepping import start
from serving.transport import transport_of
from signaling.admission.client_ip import address_of
from signaling.cluster import node
from signaling.connections.connection import Connection
from signaling.handlers import HANDLERS, NEED_A_TASK
from signaling.protocol.closing import (
    CLEAN_CODES,
    INTERNAL_ERROR,
    SLOW_CONSUMER,
    TOO_MANY_CONNECTIONS,
    TOO_MANY_REQUESTS,
    Close,
)
from signaling.protocol.decoding import decode_envelope, decode_payload, named_in
from signaling.protocol.errors import (
    InvalidMessageError,
    NotRegisteredError,
    ProtocolError,
    RateLimitedError,
)
from signaling.protocol.limits import Allowance
from signaling.telemetry.counters import TOO_MANY_FROM_ADDRESS, counters

logger = logging.getLogger(__name__)

BEFORE_REGISTER = frozenset({"REGISTER", "HEARTBEAT"})

TROUBLES = {Trouble.SLOW_CONSUMER: SLOW_CONSUMER, Trouble.WRITE_FAILED: INTERNAL_ERROR}

# An event of our own, for what `take` leaves to `serve`.
BEGUN = "signaling.begun"


class SignalConsumer(AsyncJsonWebsocketConsumer):
    """One WebSocket at `/signal`.

    Channels' own loop makes a task for every event and asks the database for stale connections before
    each, two thread hops a message: a plain loop over `receive` costs an eighth. Events of the channel
    layer come past it, straight to `Connection.deliver`, and so do frames, on our own server: they are handled
    while it reads them, which spares two turns of the event loop a message.
    """

    connection: Connection
    connected_at: float
    last_seen: float
    tick: int
    # Until something better is known.
    ended_by: Close | int = INTERNAL_ERROR

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection until it is closed."""
        self.scope = scope
        self.base_send: Any = send
        self.node = await node.current()
        self.connected_at = self.last_seen = time.monotonic()
        self.tick = 0
        self.transport = transport_of(scope, receive, send)
        self.outbound = SendQueue(self.transport, settings.LIMITS.outbound_queue_bytes, self.stop_writing)
        self.channel_name = await self.node.layer.new_channel()
        self.connection = Connection(
            self.node.relay,
            self.channel_name,
            Allowance(settings.LIMITS, self.last_seen),
            self.outbound,
            self.shut,
        )
        self.address = address_of(scope)
        self.is_admitted = False
        # What ended the connection; only a deliberate close by the client ends its calls.
        self.is_clean = False
        self.is_shut = False
        # Whether `serve` waits for the next event, so that one may be handled past it.
        self.is_idle = False
        try:
            await self.serve(receive)
        except Exception:
            logger.exception("A connection met a bug and is closed")
            # daphne alone refuses this code from an application; it sends it itself when we raise.
            await self.base_send({"type": "websocket.close", "code": INTERNAL_ERROR.code})
        finally:
            await self.disconnect()

    async def serve(self, receive: Any) -> None:
        """Pass on what comes until the connection is closed."""
        while True:
            self.is_idle = True
            event = await receive()
            self.is_idle = False
            kind = event["type"]
            if kind == BEGUN:
                await event["rest"]
            elif kind == "websocket.receive":
                await self.receive(event.get("text"), event.get("bytes"))
            elif kind == "websocket.connect":
                await self.connect()
            elif kind == "websocket.ping":
                self.seen()
            elif kind == "websocket.disconnect":
                code = self.transport.close_code(event)
                self.is_clean = code in CLEAN_CODES
                self.ended_by = self.ended_by if self.is_shut else code
                return

    async def connect(self) -> None:
        """Accept the opening handshake, or accept it only to say that there are too many."""
        self.switch_on()
        self.is_admitted = await self.node.admit(self.address)
        try:
            await self.accept()
        except OSError:
            # The client is gone; the event that says so comes next.
            return
        if not self.is_admitted:
            counters.connections_refused[TOO_MANY_FROM_ADDRESS] += 1
            error = RateLimitedError("There are too many connections from your address; wait, then try again.", 60)
            self.connection.refuse(error)
            self.shut(TOO_MANY_CONNECTIONS)

    def switch_on(self) -> None:
        """Be reachable, and watched over."""
        self.node.layer.attach(self.channel_name, self.connection.deliver)
        self.node.add(self)
        self.transport.hand_over(self.take)

    def take(self, event: dict[str, Any]) -> dict[str, Any] | None:
        """Handle a frame as it arrives; returns what is left for `serve`: the event, or where handling it waits."""
        if event["type"] != "websocket.receive" or not self.is_idle:
            return event
        try:
            rest = start(self.receive(event.get("text"), event.get("bytes")))
        except Exception as error:  # noqa: BLE001 -- `serve` raises it again, where a bug closes the connection
            rest = _raise(error)
        return None if rest is None else {"type": BEGUN, "rest": rest}

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **_: Any) -> None:
        """Handle one frame; whatever is wrong with it, the connection stays. A binary one always is."""
        if self.connection.is_leaving:
            # It is being superseded or closed: nothing that it says now counts.
            return
        connection = self.connection
        now = self.last_seen = connection.received_at = time.monotonic()
        try:
            connection.allowance.consume_message(now)
            if text_data is None or bytes_data is not None:
                raise InvalidMessageError("Send messages in text frames; this one was binary.")
            envelope = decode_envelope(text_data)
            counters.messages_received[envelope.type] += 1
            if connection.client_id is None and envelope.type not in BEFORE_REGISTER:
                raise NotRegisteredError
            message = decode_payload(envelope)
            if type(message) in NEED_A_TASK and asyncio.current_task() is None:
                # `serve` goes on from here, in the connection's task.
                await asyncio.sleep(0)
            await HANDLERS[type(message)](connection, message)
        except ProtocolError as error:
            connection.refuse(error, *named_in(text_data))
            if isinstance(error, RateLimitedError) and connection.allowance.is_exhausted(now):
                self.shut(TOO_MANY_REQUESTS)

    def seen(self) -> None:
        """Note that the client is alive."""
        self.last_seen = time.monotonic()

    def shut(self, close: Close) -> None:
        """Close the connection from this side; its calls are held."""
        if not self.is_shut:
            self.is_shut = True
            self.ended_by = close
            self.connection.leave_soon(hold=True)
            self.outbound.close(*close)

    def stop_writing(self, trouble: Trouble) -> None:
        """Close the connection, which cannot be written to."""
        self.shut(TROUBLES[trouble])

    async def disconnect(self, _code: int | None = None) -> None:
        """Clean up, however the connection ended."""
        self.node.discard(self)
        try:
            await asyncio.shield(self.connection.leave_soon(hold=not self.is_clean))
        finally:
            self.node.layer.detach(self.channel_name)
            if self.is_admitted:
                await self.node.depart(self.address)
            self.transport.detach()
            # They refer back to this one. Nobody is left to be told anything.
            self.is_shut = True
            del self.connection, self.outbound


async def _raise(error: Exception) -> None:
    raise error
