"""What the connections of one server share: the event loop, limits, and the tasks that run for them."""

import asyncio
import contextvars
import logging
import math
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from serving.contract import Listener

if TYPE_CHECKING:
    from serving.wire import Wire

logger = logging.getLogger(__name__)

# A client so slow that it is closed for it still gets its backlog.
CLOSE_SECONDS = 10


class Hub:
    """The open connections of a server and their tasks; every task and callback gets a context of its own.

    More than `write_limit_bytes` that wait for one client are trouble (0: no limit); it has `close_seconds` to
    answer our close frame.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        write_limit_bytes: int,
        max_message_bytes: int,
        close_seconds: float = CLOSE_SECONDS,
    ) -> None:
        self.loop = loop
        self.most_unwritten_bytes = write_limit_bytes or math.inf
        self.max_message_bytes = max_message_bytes
        self.close_seconds = close_seconds
        self.wires: set[Wire] = set()
        self.tasks: set[asyncio.Task[Any]] = set()
        self._context = contextvars.copy_context()

    def new_context(self) -> contextvars.Context:
        """Return the context that the server started with, as nobody has changed it."""
        return self._context.copy()

    def start(self, coroutine: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run a coroutine in a task."""
        task = self.loop.create_task(coroutine, context=self.new_context())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Call back in the event loop's next turn."""
        self.loop.call_soon(callback, context=self.new_context())

    async def close_listener(self, listener: Listener, code: int) -> None:
        """Tell a listener that its connection ended; log what it raises."""
        try:
            await listener.closed(code)
        except Exception:
            logger.exception("the application raised an exception")
