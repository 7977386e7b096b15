"""TCP lines to a server that can lose everything without a word, as a phone's does that changes networks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Self

from tests.support.servers import RunningServer

READ_BYTES = 65_536


@dataclass
class Line:
    """One TCP connection through the proxy; what it swallows is gone, and both its ends believe that it lives."""

    to_client_is_deaf: bool = False
    to_server_is_deaf: bool = False
    is_over: bool = False
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    def dies(self) -> None:
        """Lose everything from here on, in both directions."""
        self.to_client_is_deaf = self.to_server_is_deaf = True

    def goes_deaf(self) -> None:
        """Lose what the server sends."""
        self.to_client_is_deaf = True

    @property
    def is_alive(self) -> bool:
        """Return whether all that is sent arrives."""
        return bool(self.writers) and not (self.is_over or self.to_client_is_deaf or self.to_server_is_deaf)

    def is_left_by_client(self) -> None:
        """Cut the client's end; the server's end believes that the line lives."""
        self.to_server_is_deaf = True
        self.writers[0].transport.abort()


class DeafLines:
    """A proxy in front of a server: `lines` are those that were opened, the newest last."""

    def __init__(self, server: RunningServer) -> None:
        self._server = server
        self.lines: list[Line] = []
        self.ws_url = ""

    @classmethod
    @asynccontextmanager
    async def before(cls, server: RunningServer) -> AsyncIterator[Self]:
        """Listen while the block runs; afterwards all lines are cut."""
        self = cls(server)
        listening = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.ws_url = f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}/signal"
        try:
            yield self
        finally:
            listening.close()
            for line in self.lines:
                for writer in line.writers:
                    writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = Line()
        self.lines.append(line)
        server_reader, server_writer = await asyncio.open_connection(self._server.host, self._server.port)
        line.writers = [writer, server_writer]

        async def to_server() -> None:
            while data := await reader.read(READ_BYTES):
                if not line.to_server_is_deaf:
                    server_writer.write(data)

        async def to_client() -> None:
            while data := await server_reader.read(READ_BYTES):
                if not line.to_client_is_deaf:
                    writer.write(data)

        with contextlib.suppress(OSError):
            await asyncio.gather(to_server(), to_client())
        line.is_over = True
        if not line.to_server_is_deaf:
            server_writer.close()
        writer.close()
