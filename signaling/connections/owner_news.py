"""Tells the processes that share a Redis to whom a client ID belongs, before they look by themselves.

Each process has a channel for such news. What goes astray, and what a process of another version sends, is found by
the next look into the directory; and whoever has not heard is refused by Redis, in the step that claims.
"""

from collections.abc import Callable

from signaling.connections.returns import note_unknown
from signaling.delivery.events import Event
from signaling.delivery.layers import LoopLayer
from signaling.protocol.errors import UnavailableError
from signaling.registry.contract import Registry

OWNER_CHANGED = "owners.changed"


class OwnerNews:
    """The news of this process to the others; calls `hear` with theirs, and `look` for what is not known here."""

    def __init__(
        self, registry: Registry, layer: LoopLayer, hear: Callable[[str, str], None], look: Callable[[], None]
    ) -> None:
        self._registry = registry
        self._layer = layer
        self._hear = hear
        self._look = look
        layer.attach(_channel_of(layer.process), self._receive)

    async def tell(self, client_id: str, identity: str) -> None:
        """Tell every other process that the directory has changed for a client ID, which belongs to `identity`."""
        news: Event = {"type": OWNER_CHANGED, "client_id": client_id, "identity": identity}
        try:
            for process in await self._registry.processes():
                if process != self._layer.process:
                    await self._layer.send(_channel_of(process), news)
        except UnavailableError:
            # They look every few seconds.
            return

    def _receive(self, event: Event) -> None:
        if event["type"] == OWNER_CHANGED:
            self._hear(event["client_id"], event["identity"])
        else:
            note_unknown(event)
            self._look()


def _channel_of(process: str) -> str:
    return f"specific.{process}!owners"
