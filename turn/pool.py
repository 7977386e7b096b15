"""TURN providers that are asked over the network: what they give is fetched ahead, so that no call waits for them.

How it works
------------
A thread of its own asks the provider, when a fifth of the life of what it gave last is over; so clients are given
entries with at least three quarters of their life left, as those that are minted have. Every client is given the same
entries until newer ones are here. While the provider is away they are given on, until they expire; then clients get the
STUN servers alone, and calls are served without a relay. That is logged once, and its end.
"""

import logging
import threading
import time
from typing import NamedTuple

from turn.credentials import TurnSettings, expiry_after
from turn.provider import IceServer

logger = logging.getLogger(__name__)

# Of the life of entries: from here on newer ones are fetched. A quarter, less the time that this may take.
FETCH_AT = 0.2
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 2.0, 60.0


class ProviderError(Exception):
    """The provider gave nothing; the text says why, after its name, and has no secret."""


class Entries(NamedTuple):
    """Entries for clients, and until when they are good, in unix seconds."""

    servers: list[IceServer]
    expires_at: int


class State(NamedTuple):
    """Whether the provider answered when it was asked last, and for how long what it gave is still good."""

    is_up: bool
    seconds_left: float


NOTHING = Entries([], 0)


class Pooled:
    """A provider that is asked over the network; a subclass says how, in `ask`."""

    name = "The TURN provider"

    def __init__(self) -> None:
        self._turn: TurnSettings | None = None
        self._entries = NOTHING
        self._fetch_at = 0.0
        self._wait_seconds = FIRST_WAIT_SECONDS
        self._is_failing = False
        self._asking = threading.Lock()

    def ask(self, turn: TurnSettings) -> list[IceServer]:
        """Ask the provider for entries that are good for TURN_TTL_SECONDS; blocks. Raises `ProviderError`."""
        raise NotImplementedError

    def ice_servers(self, turn: TurnSettings, _client_id: str, _expires_at: int) -> list[IceServer]:
        """Return the entries that are here now."""
        return self.entries(turn, time.time()).servers

    def entries(self, turn: TurnSettings, now: float) -> Entries:
        """Return what the provider gave with these settings, unless that has expired."""
        return self._entries if turn is self._turn and now < self._entries.expires_at else NOTHING

    def state(self, turn: TurnSettings, now: float) -> State:
        """Return whether the provider answers."""
        left = max(self.entries(turn, now).expires_at - now, 0)
        return State(left > 0 and not self._is_failing, left)

    def poll(self, turn: TurnSettings, now: float) -> None:
        """Have a thread fetch newer entries, if it is time for that and none does."""
        is_due = turn is not self._turn or now >= self._fetch_at
        if is_due and self._asking.acquire(blocking=False):
            threading.Thread(target=self._fetch_in_thread, args=(turn,), name="turn-provider", daemon=True).start()

    def fetch(self, turn: TurnSettings) -> None:
        """Fetch entries and keep them; blocks. Raises `ProviderError`."""
        asked_at = time.time()
        servers = self.ask(turn)
        self._entries = Entries(servers, expiry_after(asked_at, turn.ttl_seconds))
        self._turn = turn
        self._fetch_at = asked_at + turn.ttl_seconds * FETCH_AT
        self._wait_seconds = FIRST_WAIT_SECONDS

    def _fetch_in_thread(self, turn: TurnSettings) -> None:
        try:
            if turn is not self._turn:
                self._turn, self._entries = turn, NOTHING
            self.fetch(turn)
        except ProviderError as error:
            self._note_failure(str(error))
        except Exception:
            logger.exception("Asking the TURN provider failed")
            self._note_failure("a bug")
        else:
            if self._is_failing:
                logger.warning("%s gives TURN credentials again", self.name)
                self._is_failing = False
        finally:
            self._asking.release()

    def _note_failure(self, reason: str) -> None:
        now = time.time()
        self._fetch_at = now + self._wait_seconds
        self._wait_seconds = min(self._wait_seconds * 2, LONGEST_WAIT_SECONDS)
        if not self._is_failing:
            self._is_failing = True
            left = max(self._entries.expires_at - now, 0) / 60
            logger.warning(
                "%s gives no TURN credentials, as %s; what it gave last is good for %d minutes, and without any calls "
                "fail between most networks",
                self.name,
                reason,
                left,
            )
