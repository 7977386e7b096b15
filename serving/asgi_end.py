"""An ASGI application on a wire: `receive` and `send`, for one that does not serve itself by `Wire.serve`."""

import asyncio
import logging
from collections import deque

from serving.contract import EXTENSION, INTERNAL_ERROR, Application, Event, Rest, Scope, Trouble
from serving.hub import Hub
from serving.wire import State, Wire

logger = logging.getLogger(__name__)


class AsgiEnd:
    """Runs an application, and passes on to it what the wire tells.

    The wire reads on when the application asks for the next event, so nothing is read ahead of it. An application that
    is still there `close_seconds` after the connection's end is cancelled.
    """

    def __init__(self, hub: Hub, wire: Wire, close_seconds: float) -> None:
        self.wire = wire
        self._hub = hub
        self._close_seconds = close_seconds
        self._events: deque[Event] = deque([{"type": "websocket.connect"}])
        self._has_come = asyncio.Event()
        # Done when the application has handled the last event.
        self._handled: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._limit: asyncio.TimerHandle | None = None

    def start(self, application: Application, scope: Scope) -> None:
        """Run the application in a task."""
        self.wire.listen(self)
        scope["extensions"][EXTENSION] = self
        self._task = self._hub.start(self._run(application, scope))

    async def receive(self) -> Event:
        """Wait for the next event."""
        self._let_go_on()
        while not self._events:
            self._has_come.clear()
            await self._has_come.wait()
        return self._events.popleft()

    async def send(self, event: Event) -> None:
        """Carry out an event of the application."""
        await self.wire.send(event)

    async def opened(self) -> None:
        """Do nothing: `start` has told the application."""

    def received(self, text: str | None, data: bytes | None) -> Rest:
        """Pass a message on; it is handled when the application asks for the next."""
        return self._put({"type": "websocket.receive", **({"bytes": data} if text is None else {"text": text})})

    def pinged(self) -> Rest:
        """Pass on that a ping frame came, which ASGI has no event for."""
        return self._put({"type": "websocket.ping"})

    def ponged(self, payload: bytes) -> None:
        """Do nothing: applications send no pings by ASGI."""

    def troubled(self, trouble: Trouble) -> None:
        """Do nothing: `send` makes the application wait, and the wire reads no further."""

    def failed(self, error: Exception) -> None:
        """Close the connection; nothing here raises."""
        logger.error("the application raised an exception", exc_info=error)
        self.wire.close(INTERNAL_ERROR, "")

    async def closed(self, code: int) -> None:
        """Pass on that the connection ended."""
        self._put({"type": "websocket.disconnect", "code": code, "reason": ""})
        if self._task is not None and not self._task.done():
            self._limit = self._hub.loop.call_later(self._close_seconds, self._cancel)

    def _put(self, event: Event) -> "asyncio.Future[None]":
        self._events.append(event)
        self._has_come.set()
        self._handled = self._hub.loop.create_future()
        return self._handled

    def _let_go_on(self) -> None:
        if self._handled is not None and not self._events:
            if not self._handled.done():
                self._handled.set_result(None)
            self._handled = None

    def _cancel(self) -> None:
        if self._task is not None and not self._task.done():
            logger.warning("cancelling an application that outlived its connection")
            self._task.cancel()

    def _leave(self) -> None:
        """End a connection that the application left open and gave to no other listener."""
        if self.wire.is_told_to(self):
            if self.wire.state is State.CONNECTING:
                self.wire.reject(500, "The server met an error; try again later.")
            else:
                self.wire.close(INTERNAL_ERROR, "")

    async def _run(self, application: Application, scope: Scope) -> None:
        try:
            await application(scope, self.receive, self.send)
        except ConnectionResetError:
            # The client has gone, and the application wrote to it.
            self._leave()
        except Exception:
            logger.exception("the application raised an exception")
            self._leave()
        else:
            self._leave()
        finally:
            if self._limit is not None:
                self._limit.cancel()
            self._events.clear()
            self._let_go_on()
