"""What the tests of this app set up: a clock, events, and processes on a real Redis."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from pytest_django import Settings

from signaling.delivery.events import MESSAGE, Event
from signaling.delivery.redis_layer import RedisChannelLayer
from signaling.protocol.limits import Limits, Timeouts
from signaling.registry.redis import RedisRegistry

PATIENCE_SECONDS = 10
POLL_SECONDS = 0.005


class Clock:
    """Time that only a test moves, in seconds."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class RedisProcess:
    """What one server process has on a Redis: its link, its layer and its registry."""

    def __init__(
        self,
        url: str,
        prefix: str,
        clock: Callable[[], float] | None = None,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        self.channel_layer = RedisChannelLayer(hosts=[url], prefix=prefix)
        self.layer = self.channel_layer.here()
        self.link = self.layer.link
        self.registry = RedisRegistry(self.layer, limits or Limits(), timeouts or Timeouts(), clock)

    async def reconnected(self) -> None:
        """Restore what needs no connection of a client."""
        await self.layer.resubscribe()
        await self.registry.prepare()

    def disconnected(self) -> None:
        """Do nothing: no connection waits for Redis."""

    async def cut_others(self) -> None:
        """Break the connection of every other process to this Redis, as an operator can; it connects again."""
        assert await self.link.call("CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "yes") == 1

    async def keys(self) -> set[str]:
        """Name every key under the prefix, without the prefix, and without those that any script leaves."""
        keys = await self.link.call("KEYS", f"{self.layer.prefix}*")
        return {key.decode().removeprefix(f"{self.layer.prefix}-registry:") for key in keys} - {"skew", "format"}


@asynccontextmanager
async def redis_process(
    url: str,
    prefix: str,
    clock: Callable[[], float] | None = None,
    limits: Limits | None = None,
    timeouts: Timeouts | None = None,
) -> AsyncIterator[RedisProcess]:
    """Run one process' part on the Redis at `url` while the block runs."""
    process = RedisProcess(url, prefix, clock, limits, timeouts)
    await process.link.start(process)
    await process.registry.renew_lease(0)
    try:
        yield process
    finally:
        await process.link.stop()


def new_prefix() -> str:
    """Make a prefix under which a shared Redis holds nothing yet."""
    return f"test-{secrets.token_hex(6)}"


def message(frame: str) -> Event:
    """Make an event that carries a frame, as a candidate does."""
    return {"type": MESSAGE, "frame": frame}


def change(frame: str) -> Event:
    """Make an event that carries a frame and changes a call, which a client has to hear of."""
    return message(frame) | {"changes": ["call-of-this-test", "", ""]}


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what has no event to wait for."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():
            await asyncio.sleep(POLL_SECONDS)


def use_redis(settings: Settings, url: str, prefix: str) -> None:
    """Have the next node be one of several on a Redis."""
    backend = "signaling.delivery.redis_layer.RedisChannelLayer"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": {"hosts": [url], "prefix": prefix}}}
