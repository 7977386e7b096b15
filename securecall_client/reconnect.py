"""Policies that decide when to connect again (docs/protocol.md, "Reconnecting")."""

import random
from dataclasses import dataclass
from typing import Protocol

from securecall_client.errors import ClosedError, RequestError

SUPERSEDED = 4409
FIRST_SECONDS, LONGEST_SECONDS = 1.0, 30.0
# A ban may be for months, and be lifted before it ends.
LONGEST_RETRY_AFTER_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Loss:
    """The end of a connection, or of an attempt to have one.

    `error` is `ClosedError` for a connection that was open, `RequestError` where REGISTER was refused, otherwise what
    `Connection.open` raised. `failed_attempts` counts those since the client was registered last.
    """

    error: Exception
    failed_attempts: int = 0

    @property
    def close_code(self) -> int | None:
        """The close code, 1006 without a close frame; None where no connection was closed."""
        return self.error.code if isinstance(self.error, ClosedError) else None

    @property
    def retry_after(self) -> float:
        """Return for how many seconds the server asked to be left alone."""
        return (self.error.retry_after or 0.0) if isinstance(self.error, RequestError) else 0.0


class ReconnectPolicy(Protocol):
    """Decides when a client that lost its connection connects again."""

    def delay_seconds(self, loss: Loss, /) -> float | None:
        """Return how long to wait before the next attempt; None to stay away for good."""


@dataclass(frozen=True, slots=True)
class BackOff:
    """Connects again after everything but 4409, between `first` and a bound that doubles up to `longest` seconds.

    Random in between, so that clients that lost the same server do not all come back at once; never before the server's
    `retry_after`, of which an hour counts at most. Two devices with one client ID that both reconnect after 4409 would
    supersede each other for ever.
    """

    first: float = FIRST_SECONDS
    longest: float = LONGEST_SECONDS

    def delay_seconds(self, loss: Loss, /) -> float | None:
        """Return a random delay, longer with every failed attempt; None after 4409."""
        if loss.close_code == SUPERSEDED:
            return None
        # 2 ** 1000 would be more than a float holds.
        bound = min(self.longest, self.first * 2 ** (min(loss.failed_attempts, 60) + 1))
        delay = random.uniform(self.first, max(self.first, bound))  # noqa: S311 -- jitter, not a secret
        return max(delay, min(loss.retry_after, LONGEST_RETRY_AFTER_SECONDS))


class NoReconnect:
    """Stays away once the connection is lost."""

    def delay_seconds(self, _loss: Loss, /) -> None:
        """Return None."""
