"""The events that connections send each other through a channel layer: plain data, the same in memory and in Redis.

An event that goes through Redis also has a `format`. One whose sender has to hear if it was not understood has a
`sender`: the channel to which it is returned. These two, `type`, and the event RETURNED mean the same in every format.
"""

from typing import Any

from signaling.protocol.calls import State
from signaling.protocol.server_messages import ServerMessage
from signaling.telemetry.counters import counters

Event = dict[str, Any]

# The format of the records, events and leases that this version writes to Redis. It goes up with a change that a
# process of the version before would not understand; docs/scaling.md says what follows from that.
FORMAT = 1

MESSAGE = "client.message"
SUPERSEDE = "client.supersede"
RELEASED = "client.released"
DISCONNECT = "client.disconnect"
BATCH = "client.batch"
RETURNED = "client.returned"
# In place of a state, for a call that ended.
GONE = ""


def group_of(client_id: str) -> str:
    """Return the name of a client ID's group."""
    return f"client.{client_id}"


def relayed(message: ServerMessage) -> Event:
    """Make the event that carries a message to a client, and count the message as sent."""
    counters.messages_sent[type(message)] += 1
    return {"type": MESSAGE, "frame": message.encode()}


def batched(events: list[Event], sender: str) -> Event:
    """Make one event of several, which are delivered together, in order."""
    return {"type": BATCH, "events": events, "sender": sender}


def changing(message: ServerMessage, call_id: str, state: State | None, peer: str) -> Event:
    """Make the event that carries a message and moves a call of its receiver to `state` (None: it ended)."""
    return relayed(message) | {"changes": [call_id, GONE if state is None else state.value, peer]}


def size_of(event: Event) -> int:
    """Return the number of bytes of an event's frame, which count while it is held."""
    frame: str = event["frame"]
    return len(frame) if frame.isascii() else len(frame.encode())


def is_needed(event: Event) -> bool:
    """Return whether an event changes a call's state, so that it is held even if the held queue is full.

    The open calls bound the number of these; candidates are what fills a queue.
    """
    return "changes" in event
