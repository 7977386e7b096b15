"""Tells the processes that share a Redis to whom a client ID belongs, before they look by themselves.

What goes astray, and what a process of another version sends, is found by the next look into the directory; and whoever
has not heard is refused by Redis, in the step that claims.
"""

from collections.abc import Callable

from signaling.connections.news import News
from signaling.connections.returns import note_unknown
from signaling.delivery.events import Event
from signaling.delivery.layers import LoopLayer
from signaling.registry.contract import Registry

OWNER_CHANGED = "owners.changed"


class OwnerNews:
    """The news of this process to the others; calls `hear` with theirs, and `look` for what is not known here."""

    def __init__(
        self, registry: Registry, layer: LoopLayer, hear: Callable[[str, str], None], look: Callable[[], None]
    ) -> None:
        self._hear = hear
        self._look = look
        self._news = News(registry, layer, "owners", self._receive)

    async def tell(self, client_id: str, identity: str) -> None:
        """Tell every other process that the directory has changed for a client ID, which belongs to `identity`."""
        await self._news.tell({"type": OWNER_CHANGED, "client_id": client_id, "identity": identity})

    def _receive(self, event: Event) -> None:
        if event["type"] == OWNER_CHANGED:
            self._hear(event["client_id"], event["identity"])
        else:
            note_unknown(event)
            self._look()
