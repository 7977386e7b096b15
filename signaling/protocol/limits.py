"""The limits of a client (PROTOCOL.md, "Limits" and "Connection life"), as it uses them up. The clock is passed in."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from pkd.keys import DEFAULT_MAX_BYTES
from signaling.protocol.closing import Hold
from signaling.protocol.errors import RateLimitedError

# Refused messages are counted over this long before the connection is closed.
REFUSALS_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Limits:
    """One field for each row of PROTOCOL.md's table; 0 turns a limit off."""

    # A client with many addresses and relays trickles 100 candidates at once, and may be in several calls.
    message_burst: int = 240
    messages_per_second: int = 20
    pkd_lookups_per_minute: int = 60
    pkd_registers_per_minute: int = 10
    refused_messages: int = 200
    connections_per_ip: int = 100
    new_connections_per_ip_per_minute: int = 300
    outbound_queue_bytes: int = 1024 * 1024
    open_calls_per_client: int = 8
    public_key_bytes: int = DEFAULT_MAX_BYTES
    # Of a process, for all of its clients.
    unproved_bytes: int = 64 * 1024 * 1024
    # Of HTTP, at a process; WebSocket handshakes are counted as connections.
    http_requests_per_ip_per_minute: int = 600


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The times that the server waits, in seconds."""

    registration_seconds: float = 60
    heartbeat_seconds: float = 60
    ring_seconds: float = 60
    hold_seconds: float = 30
    hold_going_away_seconds: float = 5

    def seconds_of(self, hold: Hold) -> float:
        """Return how long `hold` lasts: a brief one no longer than a full one."""
        if hold is Hold.BRIEF:
            return min(self.hold_going_away_seconds, self.hold_seconds)
        return self.hold_seconds


class SlidingWindow:
    """At most `limit` events in any `seconds`, exactly: it remembers the time of each."""

    __slots__ = ("_limit", "_seconds", "_times")

    def __init__(self, limit: int, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        self._times: deque[float] = deque()

    def consume(self, now: float) -> float:
        """Count one event; returns 0, or the seconds until there is room for it. A limit of 0 is none."""
        if not self._limit:
            return 0
        times = self._times
        while times and times[0] <= now - self._seconds:
            times.popleft()
        if len(times) >= self._limit:
            return times[0] + self._seconds - now
        times.append(now)
        return 0

    def is_empty(self, now: float) -> bool:
        """Return whether no event counts any more."""
        return not self._times or self._times[-1] <= now - self._seconds


class SlidingWindows:
    """A `SlidingWindow` for each name; those of which no event counts any more are forgotten, once in `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._windows: dict[str, SlidingWindow] = {}
        self._next_sweep = 0.0

    def consume(self, name: str, now: float, limit: int) -> float:
        """Count one event of a name; returns 0, or the seconds until there is room for it. A limit of 0 is none."""
        if not limit:
            return 0
        self.sweep(now)
        window = self._windows.get(name)
        if window is None:
            window = self._windows[name] = SlidingWindow(limit, self._seconds)
        return window.consume(now)

    def sweep(self, now: float) -> None:
        """Forget the names without an event that counts, if it is time to."""
        if now >= self._next_sweep:
            self._next_sweep = now + self._seconds
            self._windows = {name: window for name, window in self._windows.items() if not window.is_empty(now)}

    def __iter__(self) -> Iterator[str]:
        """Return the names that are remembered."""
        return iter(self._windows)

    def __len__(self) -> int:
        return len(self._windows)


class Allowance:
    """The limits of one connection, less what it has consumed; `now` is monotonic, in seconds.

    Messages consume the tokens of a bucket that refills at a steady rate; a refusal consumes none, so waiting is
    enough.
    """

    __slots__ = ("_limits", "_lookups", "_refusals", "_registers", "_tokens", "_updated_at")

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self._tokens: float = limits.message_burst
        self._updated_at = now
        # Most connections never need these.
        self._lookups: SlidingWindow | None = None
        self._registers: SlidingWindow | None = None
        self._refusals: SlidingWindow | None = None

    def consume_message(self, now: float) -> None:
        """Consume one message; raises `RateLimitedError` when there is none left."""
        limits = self._limits
        burst, per_second = limits.message_burst, limits.messages_per_second
        if not (burst and per_second):
            return
        tokens = self._tokens + (now - self._updated_at) * per_second
        if tokens > burst:  # noqa: PLR1730 -- for each message: to call `min` takes as long as all the rest
            tokens = burst
        self._updated_at = now
        if tokens < 1:
            self._tokens = tokens
            raise RateLimitedError("You send too many messages; slow down.", (1 - tokens) / per_second)
        self._tokens = tokens - 1

    def consume_lookup(self, now: float) -> None:
        """Consume one `PKD_LOOKUP`; raises `RateLimitedError` when there is none left."""
        if self._lookups is None:
            self._lookups = SlidingWindow(self._limits.pkd_lookups_per_minute, 60)
        self._consume(self._lookups, now, "You look up too many keys; wait before the next PKD_LOOKUP.")

    def consume_register(self, now: float) -> None:
        """Consume one `PKD_REGISTER`; raises `RateLimitedError` when there is none left."""
        if self._registers is None:
            self._registers = SlidingWindow(self._limits.pkd_registers_per_minute, 60)
        self._consume(self._registers, now, "You publish too many keys; wait before the next PKD_REGISTER.")

    def is_exhausted(self, now: float) -> bool:
        """Count a refused message; returns whether there were so many that the connection should be closed."""
        if not self._limits.refused_messages:
            return False
        if self._refusals is None:
            self._refusals = SlidingWindow(self._limits.refused_messages, REFUSALS_SECONDS)
        return self._refusals.consume(now) > 0

    @staticmethod
    def _consume(window: SlidingWindow, now: float, sentence: str) -> None:
        wait = window.consume(now)
        if wait:
            raise RateLimitedError(sentence, wait)
