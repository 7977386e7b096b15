"""The deadlines of connections: REGISTER must come in time, and a client must send something, or is closed.

A connection has one deadline in a timer wheel, and a message does not move it: when it is due, a connection
whose client sent something meanwhile gets its next one. The clock is passed in.
"""

from typing import Protocol

from signaling.connections.connection import Connection
from signaling.connections.timer_wheel import Wheel
from signaling.protocol.closing import HEARTBEAT_TIMEOUT, REGISTRATION_TIMEOUT, Close
from signaling.protocol.limits import Timeouts


class Watched(Protocol):
    """A consumer; `tick` is where the wheel has it, the times are monotonic, in seconds."""

    connection: Connection
    connected_at: float
    last_seen: float
    tick: int

    def shut(self, close: Close) -> None:
        """Close the connection with a code and a reason."""


class Deadlines:
    """Closes consumers that did not register in time, or whose client is silent; late by two ticks at most."""

    def __init__(self, tick_seconds: float, now: float) -> None:
        self._wheel: Wheel[Watched] = Wheel(tick_seconds, now)

    def watch(self, member: Watched, timeouts: Timeouts) -> None:
        """Put a consumer into the wheel, at its next deadline."""
        deadline = member.last_seen + timeouts.heartbeat_seconds
        if member.connection.client_id is None:
            deadline = min(deadline, member.connected_at + timeouts.registration_seconds)
        member.tick = self._wheel.put(member, deadline)

    def forget(self, member: Watched) -> None:
        """Remove a consumer from the wheel, if it is there."""
        self._wheel.remove(member, member.tick)

    def close_overdue(self, now: float, timeouts: Timeouts) -> None:
        """Close the consumers whose deadline has passed; watch those further whose client sent something."""
        for member in self._wheel.due(now):
            if member.connection.is_leaving:
                # It is being closed already, for another reason.
                continue
            is_registered = member.connection.client_id is not None
            if not is_registered and member.connected_at + timeouts.registration_seconds <= now:
                member.shut(REGISTRATION_TIMEOUT)
            elif member.last_seen + timeouts.heartbeat_seconds <= now:
                member.shut(HEARTBEAT_TIMEOUT)
            else:
                self.watch(member, timeouts)
