"""Tells the processes that share a Redis what has changed, before they look by themselves.

Each process has a channel for news of each kind. What goes astray is found by the next look.
"""

from collections.abc import Callable

from signaling.delivery.events import Event
from signaling.delivery.layers import LoopLayer
from signaling.protocol.errors import UnavailableError
from signaling.registry.contract import Registry


class News:
    """News of one kind, to the other processes and from them: `receive` is called with theirs."""

    def __init__(self, registry: Registry, layer: LoopLayer, kind: str, receive: Callable[[Event], None]) -> None:
        self._registry = registry
        self._layer = layer
        self._kind = kind
        layer.attach(self._channel_of(layer.process), receive)

    async def tell(self, news: Event) -> None:
        """Send news to every other process; while Redis is away, to none: they look every few seconds."""
        try:
            for process in await self._registry.processes():
                if process != self._layer.process:
                    await self._layer.send(self._channel_of(process), news)
        except UnavailableError:
            return

    def _channel_of(self, process: str) -> str:
        return f"specific.{process}!{self._kind}"
