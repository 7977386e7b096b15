"""Lets two things happen at almost the same time, again and again, at other moments each time."""

import asyncio
import random
import time
from collections.abc import Awaitable


class Aim:
    """Lets a REGISTER fall into the time that a statement takes, from a little before it to a little after."""

    def __init__(self) -> None:
        self._seconds = 0.02

    async def around(self, statement: Awaitable[None], register: Awaitable[None]) -> None:
        """Send a statement, and a REGISTER at a random moment around it."""
        delay = random.uniform(-0.2, 1.6) * self._seconds  # noqa: S311
        self._sent_at = time.monotonic() + max(-delay, 0)

        async def after(seconds: float, step: Awaitable[None]) -> None:
            await asyncio.sleep(max(seconds, 0))
            await step

        # An owner who was superseded may have nothing left to send on.
        await asyncio.gather(after(-delay, statement), after(delay, register), return_exceptions=True)

    def note_answer(self) -> None:
        """Note how long the statement took."""
        self._seconds += (time.monotonic() - self._sent_at - self._seconds) / 10
