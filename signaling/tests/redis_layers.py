"""What tests of delivery set up: events, and processes' channel layers on a real Redis."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from signaling.delivery.events import MESSAGE, Event
from signaling.delivery.redis_layer import RedisChannelLayer

PATIENCE_SECONDS = 10
POLL_SECONDS = 0.005


class LayerProcess:
    """What one server process has of a channel layer on Redis: its part of the layer, and its link."""

    def __init__(self, url: str, prefix: str) -> None:
        self.channel_layer = RedisChannelLayer(hosts=[url], prefix=prefix)
        self.layer = self.channel_layer.here()
        self.link = self.layer.link

    async def reconnected(self) -> None:
        """Subscribe again."""
        await self.layer.resubscribe()

    def disconnected(self) -> None:
        """Do nothing: no connection waits for Redis."""

    async def cut_others(self) -> None:
        """Break the connection of every other process to this Redis, as an operator can; it connects again."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            # On a busy machine the other process may not have subscribed yet, or one that has ended is listed still.
            while not await self.link.call("CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "yes"):
                await asyncio.sleep(POLL_SECONDS)


@asynccontextmanager
async def layer_process(url: str, prefix: str) -> AsyncIterator[LayerProcess]:
    """Run one process' channel layer on the Redis at `url` while the block runs."""
    process = LayerProcess(url, prefix)
    await process.link.start(process)
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
