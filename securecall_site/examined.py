"""Redis as `doctor` examines it: a connection that is opened as the server opens its own."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

from django.conf import settings

from diagnostics.doctor.redis import RefusedError
from signaling.delivery.redis_connect import connect, reason_of
from signaling.delivery.redis_protocol import RedisProtocol
from signaling.delivery.redis_url import RedisUrl
from signaling.protocol.errors import UnavailableError


class ExaminedRedis:
    """The doctor's `Server`."""

    def __init__(self, protocol: RedisProtocol, came: list[bytes]) -> None:
        self.came = came
        self._protocol = protocol

    async def ask(self, *words: str) -> Any:
        """See `Server.ask`."""
        return await _answer(self._protocol.call(words))

    async def subscribe(self, channel: str) -> None:
        """See `Server.subscribe`."""
        await _answer(self._protocol.change_subscriptions("SUBSCRIBE", (channel,)))


@asynccontextmanager
async def connect_as_the_server() -> AsyncIterator[ExaminedRedis]:
    """Connect to `REDIS_URL` while the block runs."""
    came: list[bytes] = []
    url = RedisUrl.parse(settings.REDIS_URL)
    protocol: RedisProtocol = await _answer(connect(url, lambda _, data: came.append(data), lambda _: None))
    try:
        yield ExaminedRedis(protocol, came)
    finally:
        protocol.abort()


async def _answer(step: Awaitable[Any]) -> Any:
    try:
        return await step
    except (OSError, UnavailableError) as error:
        raise RefusedError(reason_of(error)) from None
