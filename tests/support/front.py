"""A proxy as in a data centre: it ends TLS, and gives each connection to the next process."""

import asyncio
import contextlib
import itertools
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

READ_BYTES = 65_536


@contextmanager
def front(*ports: int, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Forward connections to loopback `ports` in turn while the block runs; yields the port to connect to."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        server = asyncio.run_coroutine_threadsafe(_serve(itertools.cycle(ports), tls), loop).result()
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            loop.call_soon_threadsafe(server.close)
    finally:
        asyncio.run_coroutine_threadsafe(_end(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _serve(ports: "itertools.cycle[int]", tls: ssl.SSLContext | None) -> asyncio.Server:
    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", next(ports))
        await asyncio.gather(_copy(reader, upstream_writer), _copy(upstream_reader, writer))

    return await asyncio.start_server(forward, "127.0.0.1", 0, ssl=tls)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(READ_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _end() -> None:
    """Cancel what still runs, and wait for it: a loop must not end before its sockets."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
