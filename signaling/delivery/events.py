"""What connections say to each other through a channel layer: plain data, the same in memory and in Redis.

What goes through Redis has a `format` besides, and, where somebody has to hear that it was not understood, a `sender`:
the channel to which it is returned. These two, `type`, and the event RETURNED mean the same in every format.
"""

from typing import Any

from signaling.protocol.calls import State
from signaling.protocol.server_messages import ServerMessage
from signaling.telemetry.counters import counters

Event = dict[str, Any]

# The number of what this version writes to Redis: its records, its events and its leases. It goes up with a change
# that a process of the version before would not understand; docs/scaling.md says what follows from that.
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
    """Name the group of a client ID."""
    return f"client.{client_id}"


def relayed(message: ServerMessage) -> Event:
    """A message for a client; from here on it counts as sent."""
    counters.messages_sent[type(message)] += 1
    return {"type": MESSAGE, "frame": message.encode()}


def batched(events: list[Event], sender: str) -> Event:
    """Several events that are delivered together, in order."""
    return {"type": BATCH, "events": events, "sender": sender}


def changing(message: ServerMessage, call_id: str, state: State | None, peer: str) -> Event:
    """A message that also moves a call of its receiver to `state` (None: it ended)."""
    return relayed(message) | {"changes": [call_id, GONE if state is None else state.value, peer]}


def size_of(event: Event) -> int:
    """What an event counts for while it is held: the bytes of its frame."""
    frame: str = event["frame"]
    return len(frame) if frame.isascii() else len(frame.encode())


def is_needed(event: Event) -> bool:
    """Whether a client must hear of it even when much waits: it changes a call's state.

    There are few of these, bounded by the open calls; candidates are what fills a queue.
    """
    return "changes" in event
