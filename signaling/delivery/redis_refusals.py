"""The commands that Redis refuses: what a refusal means for the connection, and what the operator is told of it.

How it works
------------
Redis' error begins with a code. A few codes mean that the connection leads to the wrong server, a replica or one that
is still loading, so the link drops it. Every other leaves the connection alone: the first refusal of each code is
logged, and its end once a write has gone through and no more came for a while.
"""

import logging
import re
import time
from collections.abc import Callable

from signaling.protocol.errors import UnavailableError

logger = logging.getLogger(__name__)

# A replica, one that lost its primary, and one that reads its data set: another server may be the primary by now.
WRONG_SERVER = frozenset({"READONLY", "MASTERDOWN", "LOADING"})
# The server is the right one, and takes no writes: no memory, no disk, too few replicas, a script that runs for ever.
UNWRITABLE = frozenset({"OOM", "MISCONF", "NOREPLICAS", "BUSY"}) | WRONG_SERVER
# These are answered where they come up.
EXPECTED = frozenset({"NOSCRIPT", "FORMAT"})

# A write that goes through soon after a refusal may have been a deletion; other commands are not tried all the time.
UNWRITABLE_QUIET_SECONDS = 2.0
QUIET_SECONDS = 60.0
MOST_LETTERS = 200

# Redis 6 wraps the error of a command in a script.
_IN_SCRIPT = re.compile(r"^ERR Error running script .*?: -([A-Z]+ .*)$")
# Redis repeats what it was given after these words, and names servers after these codes.
_REPEATED = re.compile(r",? with args beginning with:.*$|(?<=^MOVED).*$|(?<=^ASK).*$", re.DOTALL)


class RefusedError(UnavailableError):
    """Redis replied an error; `str` gives its own words, and `sentence` what a client is told."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self.args = (words_of(words),)

    @property
    def kind(self) -> str:
        """Redis' code: the first word."""
        return str(self).partition(" ")[0]


def words_of(error: str) -> str:
    """Return Redis' error without what it repeats of the command, and out of the wrapping of a script."""
    inner = _IN_SCRIPT.match(error)
    return _REPEATED.sub("", inner[1] if inner else error)[:MOST_LETTERS]


class Refusals:
    """The kinds of refusals that are under way; logs when one begins and when it is over."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # By code, when the last one came.
        self._last: dict[str, float] = {}

    @property
    def is_writable(self) -> bool:
        """Return whether no refusal of writes is under way."""
        return UNWRITABLE.isdisjoint(self._last)

    def note(self, error: RefusedError) -> None:
        """Note a refusal, and log the first of its kind."""
        if error.kind in EXPECTED:
            return
        if error.kind not in self._last:
            logger.warning("Redis refuses commands (%s); what needs them is answered with RATE_LIMITED", error)
        self._last[error.kind] = self._clock()

    def note_write(self) -> None:
        """Note that a write went through, and log the kinds that are over."""
        now = self._clock()
        for code, last in list(self._last.items()):
            if now - last >= (UNWRITABLE_QUIET_SECONDS if code in UNWRITABLE else QUIET_SECONDS):
                self._end(code)

    def note_connect(self) -> None:
        """Note a new connection, for which everything was done anew: every kind is over."""
        for code in list(self._last):
            self._end(code)

    def _end(self, code: str) -> None:
        del self._last[code]
        logger.warning("Redis refuses no more commands with %s", code)
