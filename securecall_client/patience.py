"""Sending again what was refused for its rate."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from securecall_client.errors import ErrorCode, RequestError

T = TypeVar("T")


async def patiently(attempt: Callable[[], Awaitable[T]], seconds: float) -> T:
    """Await `attempt()` for at most `seconds`, and again after each RATE_LIMITED that allows it within that time.

    Raises `TimeoutError`, or the last `RequestError`.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                return await attempt()
        except RequestError as error:
            # One that names no request refuses the connection, which is closed next.
            if error.code != ErrorCode.RATE_LIMITED or error.retry_after is None or error.request is None:
                raise
            if loop.time() + error.retry_after > deadline:
                raise
            await asyncio.sleep(error.retry_after)
