"""What a client hears while something else is done: the types of its messages, and the code of its close."""

import asyncio
import json
from typing import Self

from websockets.exceptions import ConnectionClosed

from tests.support.client import Client

CLOSED = "closed"
# Of a busy machine, too.
PATIENCE_SECONDS = 20


class Listener:
    """Hears everything that a client is told while the block runs."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._is_new = asyncio.Event()
        self.heard: list[str] = []
        self.code: int | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def hears(self, *types: str) -> str:
        """Wait for a message of one of these types, or, with `CLOSED`, for the close; returns which it was."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (found := [kind for kind in self.heard if kind in types]):
                self._is_new.clear()
                await self._is_new.wait()
        return found[0]

    async def closes(self) -> int | None:
        """Wait for the close, as long as a test is patient; returns its code."""
        try:
            await self.hears(CLOSED)
        except TimeoutError:
            return None
        return self.code

    async def _listen(self) -> None:
        try:
            while True:
                self._note(json.loads(await self._client.connection.recv())["type"])
        except ConnectionClosed as closed:
            self.code = closed.rcvd.code if closed.rcvd else None
            self._note(CLOSED)

    def _note(self, kind: str) -> None:
        self.heard.append(kind)
        self._is_new.set()
