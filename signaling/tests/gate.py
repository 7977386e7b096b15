"""A way to a Redis that holds up a command until a test has done something."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

READ_BYTES = 65_536

Step = Callable[[], Awaitable[None]]


class Gate:
    """Forwards connections to the Redis at a port of loopback; `url` is where it listens."""

    def __init__(self, redis_port: int) -> None:
        self.url = ""
        self._redis_port = redis_port
        self._steps: list[tuple[bytes, Step]] = []
        self._open: set[asyncio.Task[None] | None] = set()

    def before(self, command: bytes, step: Step) -> None:
        """Run `step` once, before the next bytes that name this command go on to Redis."""
        self._steps.append((command, step))

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Gate"]:
        """Accept connections while the block runs."""
        server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
        try:
            yield self
        finally:
            server.close()
            open_ones = [task for task in self._open if task is not None]
            for task in open_ones:
                task.cancel()
            await asyncio.gather(*open_ones, return_exceptions=True)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(asyncio.current_task())
        try:
            redis_reader, redis_writer = await asyncio.open_connection("127.0.0.1", self._redis_port)
        except OSError:
            await _close(writer)
            return
        both = [
            asyncio.ensure_future(self._copy(reader, redis_writer, self._steps)),
            asyncio.ensure_future(self._copy(redis_reader, writer, [])),
        ]
        try:
            # When one side has gone, the other goes too.
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for copying in both:
                copying.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            await _close(writer)
            await _close(redis_writer)
            self._open.discard(asyncio.current_task())

    @staticmethod
    async def _copy(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, steps: list[tuple[bytes, Step]]
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(READ_BYTES):
                for waiting in [one for one in steps if one[0] in data]:
                    steps.remove(waiting)
                    await waiting[1]()
                writer.write(data)
                await writer.drain()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
