"""Keeps what was relayed to the connections of this process until their clients prove to have read it.

How it works
------------
A line may be dead long before anybody notices, and what is written into it is lost (PROTOCOL.md, "Taken is delivered").
So each relayed event is kept in its connection's unproved queue. Once a second the node's round writes a ping behind
it, and the pong that echoes the ping proves that the client's side of the WebSocket has read all that came before. What
is unproved when the connection ends goes to the client's next one (`handover`).

What is about a call that rings is kept until the call is answered or ends, proved or not: it rings again on the
client's next connection.

A connection has a queue here only while there is something in it: an idle one costs nothing, and a round visits none.
"""

import asyncio
import itertools
from collections.abc import Iterable
from enum import Enum, auto
from typing import Protocol

from serving.contract import WebSocket
from signaling.connections.legs import ringing_here
from signaling.connections.room import Room
from signaling.connections.unproved import CANDIDATE_FIELDS, About, Unproved
from signaling.delivery.events import Event
from signaling.protocol.calls import HELD_BYTES, HELD_MESSAGES, Leg
from signaling.registry.held import call_of
from signaling.telemetry.counters import counters

# How long a client that answers no ping may go on talking before it is taken for one that never does.
NO_PONG_SECONDS = 10.0
# How many pings are written in one turn of the event loop.
PINGS_A_TURN = 100


class Pongs(Enum):
    """Whether a client answers pings, as far as is known; what is written to one that answers none counts as read."""

    UNHEARD = auto()
    HEARD = auto()
    NONE = auto()


# Asked for with each message: before Python 3.12 to look up a member of an enum is a call.
NO_PONGS = Pongs.NONE


class Provable(Protocol):
    """A connection; `received_at` is when its client's last frame came: monotonic, in seconds."""

    outbound: WebSocket
    received_at: float
    pongs: Pongs
    legs: dict[str, Leg]


class Proofs:
    """The unproved queues of this process, which share `room`."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._queues: dict[Provable, Unproved] = {}
        self._numbers = itertools.count(1)

    def __len__(self) -> int:
        return len(self._queues)

    def keep(self, connection: Provable, event: Event) -> bool:
        """Keep an event that is written to a connection; returns False where nobody will prove that it was read.

        Beyond the bounds the oldest candidates of the connection are dropped. Where nobody proves anything, only what
        is about a call that rings is kept.
        """
        queue = self._queues.get(connection)
        if connection.pongs is NO_PONGS:
            if queue is not None or "changes" in event:
                self._pass_over(connection, queue or Unproved(), [(call_of(event), event)])
            return False
        if queue is None:
            queue = self._queues[connection] = Unproved()
        # For each message that is relayed: one call, and no more; each value is read once.
        room, run, frame, sender = self._room, queue.last, event["frame"], event.get("sender")
        is_of_run = event.get("call") == run.call_id and sender == run.sender
        if is_of_run and len(event) == CANDIDATE_FIELDS + (sender is not None):
            size = len(frame) if frame.isascii() else len(frame.encode())
            run.messages.append(frame)
            run.size += size
            queue.count += 1
            queue.size += size
        else:
            size = queue.add(event)
        room.size += size
        if queue.size > HELD_BYTES or room.size > room.most or queue.count > HELD_MESSAGES:
            self._drop_from(queue)
        return True

    def forget(self, connection: Provable, call_id: str) -> None:
        """Forget what was written to a connection about a call that has ended, but for its end."""
        queue = self._queues.get(connection)
        if queue is not None:
            before = queue.size
            queue.forget(call_id)
            self._room.size += queue.size - before

    def is_repeated(self, connection: Provable, call_id: str) -> bool:
        """Return whether the ring of a call was written to a connection; forget an earlier call of the same ID."""
        queue = self._queues.get(connection)
        if queue is None:
            return False
        if call_id in connection.legs:
            return queue.has_rung(call_id)
        if queue.ringing:
            before = queue.size
            queue.keep_ringing((), ringing_here(connection.legs))
            self._room.size += queue.size - before
        return False

    def prove(self, connection: Provable, payload: bytes) -> None:
        """Forget what a connection's client has read, if this is the pong of the ping that is under way."""
        queue = self._queues.get(connection)
        if queue is None or connection.pongs is Pongs.NONE:
            return
        before = queue.size
        proved = queue.prove(payload)
        if proved is not None:
            connection.pongs = Pongs.HEARD
            self._room.size += queue.size - before
            self._pass_over(connection, queue, proved)

    def take(self, connection: Provable) -> list[Event]:
        """Remove what a connection's client has not proved to have read, and what rings; returns it, oldest first."""
        queue = self._queues.pop(connection, None)
        if queue is None:
            return []
        self._room.size -= queue.size
        calls = ringing_here(connection.legs)
        return [*(event for call_id, event in queue.ringing if call_id in calls), *queue.events]

    def written(self, connection: Provable) -> list[Event]:
        """Return what is kept of the events that were written to a connection; those of calls that ring are."""
        queue = self._queues.get(connection)
        return [] if queue is None else [*(event for _, event in queue.ringing), *queue.events]

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
        if queue.asked_at is not None and connection.pongs is not Pongs.NONE:
            if connection.pongs is Pongs.UNHEARD and connection.received_at >= queue.asked_at + NO_PONG_SECONDS:
                connection.pongs = Pongs.NONE
                before = queue.size
                proved = queue.empty()
                self._room.size += queue.size - before
                self._pass_over(connection, queue, proved)
            return
        if queue.ringing or not queue.count:
            self._pass_over(connection, queue, ())
        if queue.count:
            payload = b"%d" % next(self._numbers)
            if connection.outbound.ping(payload):
                queue.ask(payload, now)

    def _pass_over(self, connection: Provable, queue: Unproved, proved: Iterable[About]) -> None:
        """Keep of what is proved what is about a call that rings still, and the queue if there is something in it."""
        before = queue.size
        queue.keep_ringing(proved, ringing_here(connection.legs))
        self._room.size += queue.size - before
        if queue:
            self._queues[connection] = queue
            self._drop_from(queue)
        else:
            self._queues.pop(connection, None)

    def _drop_from(self, queue: Unproved) -> None:
        room = self._room
        while queue.count + len(queue.ringing) > HELD_MESSAGES or queue.size > HELD_BYTES or room.size > room.most:
            before = queue.size
            if not queue.drop_candidate():
                return
            room.size += queue.size - before
            counters.messages_not_kept += 1
