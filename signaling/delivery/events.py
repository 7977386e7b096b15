"""The events that connections send each other through a channel layer: plain data, the same in memory and in Redis.

An event that goes through Redis also has a `format`. One whose sender has to hear if it was not understood has a
`sender`: the channel to which it is returned. These two, `type`, and the event RETURNED mean the same in every format.
"""

from typing import Any

from signaling.protocol.calls import State
from signaling.protocol.fields import bytes_of
from signaling.protocol.server_messages import CallMessage
from signaling.telemetry.counters import counters

Event = dict[str, Any]

# The format of the records, events and leases that this version writes to Redis. It goes up with a change that a
# process of the version before would not understand; docs/scaling.md says what follows from that.
FORMAT = 1
# What a process says in its lease that it knows. 2: client IDs that belong to a key. They stand beside the records of
# format 1, which stay as they are; but a process that does not know them would give such an ID to anybody.
KNOWN_FORMAT = 2

# What the type of an event of this protocol begins with.
OURS = "client."
MESSAGE = "client.message"
SUPERSEDE = "client.supersede"
RELEASED = "client.released"
DISCONNECT = "client.disconnect"
BATCH = "client.batch"
RETURNED = "client.returned"
# A callee's connection asks the caller's for a call that rings here and has no ring; `call` is its ID. The answer is a
# ring with `candidates`, the frames of those that followed it, or NO_RING.
RING_ASKED = "client.ring_asked"
NO_RING = "client.no_ring"
# A caller's connection hands its copies of what rings to the caller's next connection.
COPIES = "client.copies"
# In place of a state, for a call that ended.
GONE = ""


def group_of(client_id: str) -> str:
    """Return the name of a client ID's group."""
    return f"client.{client_id}"


def relayed(message: CallMessage) -> Event:
    """Make the event that carries a message of a call to a client, and count the message as sent."""
    counters.messages_sent[type(message)] += 1
    return {"type": MESSAGE, "frame": message.encode(), "call": message.call_id}


def candidate(call_id: str, frame: str) -> Event:
    """Make the event that carries a frame about a call and changes nothing, as `relayed` does of a message."""
    return {"type": MESSAGE, "frame": frame, "call": call_id}


def ousting(connection_id: str) -> Event:
    """Make the event that tells a connection that its client ID belongs to another key now: it takes nothing along."""
    return {"type": SUPERSEDE, "connection": connection_id, "is_ousted": True}


def batched(events: list[Event], sender: str) -> Event:
    """Make one event of several, which are delivered together, in order."""
    return {"type": BATCH, "events": events, "sender": sender}


def changing(message: CallMessage, call_id: str, state: State | None, peer: str) -> Event:
    """Make the event that carries a message and moves a call of its receiver to `state` (None: it ended)."""
    event = relayed(message)
    event["changes"] = [call_id, GONE if state is None else state, peer]
    return event


def size_of(event: Event) -> int:
    """Return the number of bytes of an event's frame, which count while it is held."""
    size = bytes_of(event["frame"])
    return size + sum(map(bytes_of, event["candidates"])) if "candidates" in event else size


def is_needed(event: Event) -> bool:
    """Return whether an event is held even if the held queue is full: a change of a call, and a caller's copies.

    The open calls bound the number of these; candidates are what fills a queue.
    """
    return "changes" in event or "copies" in event
