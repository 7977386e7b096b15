"""A WebDriver BiDi session over one WebSocket (https://w3c.github.io/webdriver-bidi/)."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

# A browser that starts shares two cores with whatever else runs.
COMMAND_SECONDS = 60


class BidiError(RuntimeError):
    """The browser refused a command, or a script threw."""


class Session:
    """Sends commands and hears events: `async with Session.at(url) as session`."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._listeners: dict[str, list[Callable[[dict[str, Any]], None]]] = defaultdict(list)

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str) -> AsyncIterator[Self]:
        """Connect and begin a session, which ends with the block."""
        # Neither a proxy nor a limit between a test and its own browser; a busy browser may be late with a pong.
        async with connect(url, proxy=None, max_size=None, ping_interval=None, compression=None) as connection:
            session = cls(connection)
            reading = asyncio.create_task(session._read())
            try:
                await session.command("session.new", capabilities={})
                yield session
            finally:
                reading.cancel()
                with suppress(asyncio.CancelledError):
                    await reading

    async def command(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and wait for its result."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(COMMAND_SECONDS):
                await self._connection.send(json.dumps({"id": number, "method": method, "params": params}))
                message = await answer
        finally:
            del self._answers[number]
        if message["type"] == "error":
            raise BidiError(f"{method}: {message['error']}: {message['message']}")
        result: dict[str, Any] = message["result"]
        return result

    async def listen(self, event: str, listener: Callable[[dict[str, Any]], None]) -> None:
        """Call `listener` with the parameters of each event of this name."""
        self._listeners[event].append(listener)
        await self.command("session.subscribe", events=[event])

    async def _read(self) -> None:
        with suppress(ConnectionClosed):
            async for text in self._connection:
                message = json.loads(text)
                if message["type"] == "event":
                    for listener in self._listeners[message["method"]]:
                        listener(message["params"])
                elif answer := self._answers.get(message["id"]):
                    answer.set_result(message)
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(BidiError("the browser ended its session"))
