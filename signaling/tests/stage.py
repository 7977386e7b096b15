"""What the tests of this app set up: a clock, events, and processes on a real Redis."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from pytest_django import Settings

from signaling.protocol.limits import Limits, Timeouts
from signaling.registry.redis import RedisRegistry
from signaling.tests.clock import Clock
from signaling.tests.redis_layers import PATIENCE_SECONDS, LayerProcess, change, message, new_prefix, until

__all__ = [
    "PATIENCE_SECONDS",
    "Clock",
    "RedisProcess",
    "change",
    "message",
    "new_prefix",
    "redis_process",
    "until",
    "use_redis",
]


class RedisProcess(LayerProcess):
    """What one server process has on a Redis: its link, its layer and its registry."""

    def __init__(
        self,
        url: str,
        prefix: str,
        clock: Callable[[], float] | None = None,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        super().__init__(url, prefix)
        self.registry = RedisRegistry(self.layer, limits or Limits(), timeouts or Timeouts(), clock)

    async def reconnected(self) -> None:
        """Subscribe again, and prepare the registry."""
        await super().reconnected()
        await self.registry.prepare()

    async def keys(self) -> set[str]:
        """Name every key under the prefix, without the prefix, and without those that any script leaves."""
        return names_of(await self.link.call("KEYS", f"{self.layer.prefix}*"), self.layer.prefix)


OF_SCRIPTS = {"skew", "format", "ended", "swept", "quiet"}


def names_of(keys: Iterable[bytes], prefix: str) -> set[str]:
    """Return keys without their prefix, and without those that any script leaves."""
    return {key.decode().removeprefix(f"{prefix}-registry:") for key in keys} - OF_SCRIPTS


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


def use_redis(settings: Settings, url: str, prefix: str) -> None:
    """Have the next node be one of several on a Redis."""
    backend = "signaling.delivery.redis_layer.RedisChannelLayer"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": {"hosts": [url], "prefix": prefix}}}
