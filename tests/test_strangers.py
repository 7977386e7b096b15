"""Strangers who mean no good, and how far the server lets them go."""

import asyncio
import time

import pytest

from tests.support.servers import RunningServer

# serving/http_request.py
HEADERS_SECONDS = 10


async def drips(running: RunningServer, request_line: str) -> float:
    """Begin a request and never finish it, never idle either; returns when it was cut off, in seconds."""
    reader, writer = await asyncio.open_connection(running.host, running.port)
    begin = time.monotonic()
    writer.write(f"{request_line}\r\nHost: localhost\r\nUpgrade: websocket\r\nX-Slow: ".encode())

    async def drip() -> None:
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.5)

    dripping = asyncio.create_task(drip())
    async with asyncio.timeout(HEADERS_SECONDS + 5):
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
    dripping.cancel()
    writer.close()
    return time.monotonic() - begin


async def test_request_whose_headers_never_end_is_cut_off(strict_server: RunningServer) -> None:
    lines = ("GET /signal HTTP/1.1", "POST /api/keys/ HTTP/1.1")
    times = await asyncio.gather(*(drips(strict_server, line) for line in lines))
    assert min(times) >= HEADERS_SECONDS - 0.5
