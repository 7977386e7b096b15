"""To whom client IDs belong: what this process knows, and what it asks the directory (TRUST.md, "REGISTER").

How it works
------------
The registry refuses a claim of an ID that belongs to another identity than the connection was checked against, in the
step that claims. So what is known here may be old: a refused claim is looked at again, and a REGISTER that nothing is
known against asks no database. `catch_up` reads what changed: at first everything, then every few seconds, and when
Redis was emptied before anybody is given an ID. Meanwhile the process that accepted a change tells the others
(`owner_news`).
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import timedelta
from threading import Lock

from django.conf import settings
from django.utils import timezone

from pkd import directory, identities
from pkd.identities import Owned
from signaling.connections.owner_news import OwnerNews
from signaling.delivery.events import RELEASED, Event, ousting
from signaling.delivery.layers import LoopLayer
from signaling.protocol.errors import UnavailableError
from signaling.protocol.limits import SlidingWindows
from signaling.registry.contract import Registry
from signaling.registry.outcomes import Ended, Ousted, Owner

logger = logging.getLogger(__name__)

Announce = Callable[[list[Ended]], Awaitable[None]]

# How many owners are kept at once, for the next time that they register.
MOST_KEPT = 10_000
# A change may be committed this long after the time that it bears, and clocks differ.
OVERLAP = timedelta(seconds=60)
# Until then the process that accepted a statement carries out what follows from it.
GRACE_SECONDS = 15
LOAD_SECONDS = 60
RESTORE_SIZE = 1000
AN_HOUR = 3600


class Owners:
    """The owners of client IDs, for the connections of this process."""

    def __init__(self, registry: Registry, layer: LoopLayer, announce: Announce) -> None:
        self.registry = registry
        self._layer = layer
        self._announce = announce
        self._news = OwnerNews(registry, layer, self._hear, self.poll)
        self._kept: OrderedDict[str, Owned] = OrderedDict()
        # How often something was forgotten: what was asked before that may be older.
        self._forgotten = 0
        self._seen_until = timezone.now()
        self._new_identities = SlidingWindows(AN_HOUR)
        self._lock = Lock()
        self._catching_up: asyncio.Task[None] | None = None
        self._restoring: asyncio.Task[None] | None = None

    @property
    def is_known(self) -> bool:
        """Return whether an ID that nothing is known against is nobody's, whatever Redis has lost."""
        return not settings.DIRECTORY_NAME or self._restoring is not None

    async def find(self, client_id: str, *, is_fresh: bool = False) -> Owned | None:
        """Return who owns a client ID; None for nobody. Raises `UnavailableError`.

        `is_fresh` asks the directory even where the owner is known.
        """
        kept = self._kept.get(client_id)
        if kept is not None and not is_fresh:
            self._kept.move_to_end(client_id)
            return kept
        forgotten = self._forgotten
        try:
            owned = await directory.ask(identities.owned, client_id)
        except directory.DirectoryUnavailableError:
            raise UnavailableError from None
        if owned is not None and forgotten == self._forgotten:
            self._keep(owned)
        return owned

    def new_identity_wait(self, address: str) -> float:
        """Count a new identity from `address`; return 0, or the seconds until there may be one. For any thread."""
        with self._lock:
            return self._new_identities.consume(address, time.monotonic(), settings.LIMIT_NEW_IDENTITIES_PER_HOUR)

    def forget(self, client_id: str) -> None:
        """Ask the directory about a client ID the next time."""
        self._forgotten += 1
        self._kept.pop(client_id, None)

    async def own(self, client_id: str, identity: str, sender: Owner | None = None) -> None:
        """Give a client ID to `identity`, whose statement `sender` sent: nobody else has it from here on."""
        self.forget(client_id)
        await self._oust(await self.registry.own(client_id, identity, sender))
        await self.tell(client_id, identity)

    async def tell(self, client_id: str, identity: str) -> None:
        """Tell the other processes that the directory has changed for a client ID, which belongs to `identity`."""
        self.forget(client_id)
        await self._news.tell(client_id, identity)

    def _hear(self, client_id: str, identity: str) -> None:
        self.registry.owned.note(client_id, identity)
        self.forget(client_id)

    async def catch_up(self) -> None:
        """Read what the directory has that this process does not know; raises `UnavailableError` if it never could."""
        await asyncio.shield(self._begin_to_catch_up())

    def poll(self) -> None:
        """Begin to catch up, unless that is under way."""
        if settings.DIRECTORY_NAME:
            self._begin_to_catch_up()

    def _begin_to_catch_up(self) -> "asyncio.Task[None]":
        if self._catching_up is None:
            self._catching_up = asyncio.create_task(self._catch_up())
            self._catching_up.add_done_callback(self._note_end)
        return self._catching_up

    def stop(self) -> None:
        """Stop what is under way."""
        for task in (self._catching_up, self._restoring):
            if task is not None:
                task.cancel()

    async def _catch_up(self) -> None:
        began, forgotten = timezone.now(), self._forgotten
        try:
            if not self.registry.owned.is_loaded:
                self.registry.owned.load(await directory.ask(identities.all_owned_ids, seconds=LOAD_SECONDS))
            changed = await directory.ask(identities.changed_since, self._seen_until - OVERLAP)
        except directory.DirectoryUnavailableError:
            if not self.registry.owned.is_loaded:
                raise UnavailableError from None
        else:
            is_newest = forgotten == self._forgotten
            for owned in changed:
                self._kept.pop(owned.client_id, None)
                if is_newest:
                    self._keep(owned)
            for owned in changed:
                await self._settle(owned)
            self._seen_until = began
        if self._restoring is None and await self.registry.has_lost_owners():
            self._restoring = asyncio.create_task(self._restore())
            self._restoring.add_done_callback(self._note_restored)

    async def _settle(self, owned: Owned) -> None:
        """Carry out what follows from a change that another process may not have carried out."""
        self.registry.owned.note(owned.client_id, owned.token)
        if owned.changed_at.timestamp() < time.time() - GRACE_SECONDS:
            await self._oust(await self.registry.own(owned.client_id, owned.token))

    async def _restore(self) -> None:
        """Write all owners into Redis again, page by page."""
        last = 0
        while True:
            last, page = await directory.ask(identities.page_after, last, RESTORE_SIZE, seconds=LOAD_SECONDS)
            await self.registry.restore_owned(page, are_last=not page)
            if not page:
                return

    async def _oust(self, ousted: Ousted) -> None:
        if ousted.owner is not None:
            await self._layer.send(ousted.owner.channel, ousting(ousted.owner.connection_id))
        if ousted.successor is not None:
            released: Event = {"type": RELEASED}
            await self._layer.send(ousted.successor, released)
        await self._announce(ousted.ended)

    def _keep(self, owned: Owned) -> None:
        self._kept[owned.client_id] = owned
        self._kept.move_to_end(owned.client_id)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)

    def _note_end(self, task: "asyncio.Task[None]") -> None:
        self._catching_up = None
        _log_failure(task)

    def _note_restored(self, task: "asyncio.Task[None]") -> None:
        self._restoring = None
        _log_failure(task)


def _log_failure(task: "asyncio.Task[None]") -> None:
    """Log a bug. That the database or Redis is away is logged elsewhere, and the next round tries again."""
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, UnavailableError | directory.DirectoryUnavailableError):
        logger.error("Looking up to whom client IDs belong failed", exc_info=error)
