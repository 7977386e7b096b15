"""ASGI's lifespan events: telling an application that the server starts, and that it stops."""

import asyncio
import contextlib
import logging
from typing import Any

logger = logging.getLogger(__name__)

Event = dict[str, Any]


class Lifespan:
    """Runs an application's lifespan in a task of its own; an application that has none serves without it.

    By the specification an application that raises for the scope, or returns without an answer, is sent no events.
    """

    def __init__(self, application: Any) -> None:
        self._application = application
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._answers: asyncio.Queue[Event | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._has_started = False

    async def start_up(self) -> None:
        """Send `lifespan.startup` and wait for the answer; exit with the application's message where it fails."""
        self._task = asyncio.get_running_loop().create_task(self._run())
        answer = await self._tell("lifespan.startup")
        if answer is None:
            self._task = None
        elif answer["type"] == "lifespan.startup.failed":
            raise SystemExit(f"The application cannot start: {answer.get('message', '')}")
        self._has_started = answer is not None

    async def shut_down(self) -> None:
        """Send `lifespan.shutdown`, to an application that answered the start, and wait until it is done."""
        if self._task is not None:
            await self._tell("lifespan.shutdown")
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _tell(self, kind: str) -> Event | None:
        self._events.put_nowait({"type": kind})
        return await self._answers.get()

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        try:
            await self._application(scope, self._events.get, self._answers.put)
        except Exception:
            if self._has_started:
                logger.exception("The application raised an exception in its lifespan")
        finally:
            self._answers.put_nowait(None)
