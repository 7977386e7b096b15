"""Keeps what was relayed to the connections of this process until their clients prove to have read it.

How it works
------------
A line may be dead long before anybody notices, and what is written into it is lost (PROTOCOL.md, "Taken is delivered").
So each relayed event is kept in its connection's unproved queue. Once a second the node's round writes a ping behind
it, and the pong that echoes the ping proves that the client's side of the WebSocket has read all that came before. What
is unproved when the connection ends goes to the client's next one (`handover`).

A connection has a queue here only while something is unproved, so an idle one costs nothing, and a round visits none.
"""

import asyncio
import itertools
import math
from enum import Enum, auto
from typing import Protocol

from serving.contract import WebSocket
from signaling.connections.mailbox import Unproved
from signaling.delivery.events import Event
from signaling.protocol.calls import HELD_BYTES, HELD_MESSAGES
from signaling.protocol.errors import RateLimitedError
from signaling.telemetry.counters import counters

# How long a client that answers no ping may go on talking before it is taken for one that never does.
NO_PONG_SECONDS = 10.0
# How many pings are written in one turn of the event loop.
PINGS_A_TURN = 100

TOO_MUCH_UNPROVED = ("The server keeps as many messages as it may for clients that reconnect; send this again.", 1.0)


class Pongs(Enum):
    """Whether a client answers pings, as far as is known; what is written to one that answers none counts as read."""

    UNHEARD = auto()
    HEARD = auto()
    NONE = auto()


class Provable(Protocol):
    """A connection; `received_at` is when its client's last frame came: monotonic, in seconds."""

    outbound: WebSocket
    received_at: float
    pongs: Pongs


class Proofs:
    """The unproved queues of this process: at most `limit_bytes` of candidates in all (0: no limit)."""

    def __init__(self, limit_bytes: int) -> None:
        self._most = limit_bytes or math.inf
        self._queues: dict[Provable, Unproved] = {}
        self._numbers = itertools.count(1)
        self.size = 0

    def __len__(self) -> int:
        return len(self._queues)

    def keep(self, connection: Provable, event: Event) -> bool:
        """Keep an event that is written to a connection; returns False where nobody will prove that it was read.

        Beyond the bounds the oldest candidates of the connection are dropped.
        """
        if connection.pongs is Pongs.NONE:
            return False
        queue = self._queues.get(connection)
        if queue is None:
            queue = self._queues[connection] = Unproved()
        # For each message that is relayed: one call, and no more.
        frame = event["frame"]
        size = len(frame) if frame.isascii() else len(frame.encode())
        queue.events.append(event)
        queue.size += size
        self.size += size
        if len(queue.events) > HELD_MESSAGES or queue.size > HELD_BYTES or self.size > self._most:
            self._drop_from(queue)
        return True

    def check_room(self, size: int) -> None:
        """Raise `RateLimitedError` when a message of so many bytes would go beyond the limit of the process."""
        if self.size + size > self._most:
            raise RateLimitedError(*TOO_MUCH_UNPROVED)

    def prove(self, connection: Provable, payload: bytes) -> None:
        """Forget what a connection's client has read, if this is the pong of the ping that is under way."""
        queue = self._queues.get(connection)
        if queue is None:
            return
        before = queue.size
        if queue.prove(payload):
            connection.pongs = Pongs.HEARD
            self.size -= before - queue.size
            if not queue.events:
                del self._queues[connection]

    def take(self, connection: Provable) -> list[Event]:
        """Remove what a connection's client has not proved to have read; returns it, oldest first."""
        queue = self._queues.pop(connection, None)
        if queue is None:
            return []
        self.size -= queue.size
        return queue.empty()

    async def ask(self, now: float) -> None:
        """Write a ping to each connection with something unproved and no ping under way.

        A client that has answered none, and said something long after it, is asked no more.
        """
        for number, connection in enumerate(tuple(self._queues), 1):
            queue = self._queues.get(connection)
            if queue is not None:
                self._ask(connection, queue, now)
            if number % PINGS_A_TURN == 0:
                await asyncio.sleep(0)

    def _ask(self, connection: Provable, queue: Unproved, now: float) -> None:
        if queue.asked_at is not None:
            if connection.pongs is Pongs.UNHEARD and connection.received_at >= queue.asked_at + NO_PONG_SECONDS:
                connection.pongs = Pongs.NONE
                self.take(connection)
        elif not queue.events:
            del self._queues[connection]
        else:
            payload = b"%d" % next(self._numbers)
            if connection.outbound.ping(payload):
                queue.ask(payload, now)

    def _drop_from(self, queue: Unproved) -> None:
        while len(queue.events) > HELD_MESSAGES or queue.size > HELD_BYTES or self.size > self._most:
            before = queue.size
            if not queue.drop_candidate():
                return
            self.size -= before - queue.size
            counters.messages_not_kept += 1
