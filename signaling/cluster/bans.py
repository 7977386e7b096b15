"""Keeps what this process knows of bans up to date, and closes the connections that a new one is about.

The table of bans is read from the database at the start, and every few seconds what has changed since. The process
that bans tells the others, which look at once; what goes astray is found by their next look. While the database is
away, what was known stands.
"""

import asyncio
import logging
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Protocol

from django.utils import timezone

from bans import decisions
from bans.table import BanTable, Row
from pkd import directory
from pkd.refusals import Refusals
from signaling.connections.news import News
from signaling.delivery.events import DISCONNECT, Event, group_of
from signaling.delivery.layers import LoopLayer
from signaling.protocol.closing import DISCONNECTED_BY_OPERATOR, Close
from signaling.registry.contract import Registry

logger = logging.getLogger(__name__)

BANS = Refusals("bans", "those that are known stand")
BANS_CHANGED = "bans.changed"
# A change may be committed this long after the time that it bears, and clocks differ.
OVERLAP = timedelta(seconds=60)
LOAD_SECONDS = 60


class Bannable(Protocol):
    """A consumer: where its client is, and how it is closed."""

    network: int

    def shut(self, close: Close) -> None:
        """Close the connection from this side."""


class Bans:
    """Fills `table` for this process, whose connections are `members`."""

    def __init__(self, table: BanTable, registry: Registry, layer: LoopLayer, members: Iterable[Bannable]) -> None:
        self._table = table
        self._layer = layer
        self._members = members
        self._seen_until: datetime | None = None
        self._looking = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._news = News(registry, layer, "bans", self._receive)

    def poll(self) -> None:
        """Begin to look for what has changed, unless that is under way."""
        if not self._tasks:
            self._begin()

    async def look(self) -> None:
        """Read what has changed, and close the connections that it is about."""
        # What is read by a look that began before may be older than what the caller knows of.
        async with self._looking:
            began = timezone.now()
            try:
                rows = await self._read()
            except directory.DirectoryUnavailableError:
                # It is logged, once; the next look tries again.
                return
            self._enforce(self._table.apply(rows, time.time()))
            self._seen_until = began

    async def note(self, row: Row) -> None:
        """Note a ban that was decided or lifted, close the connections that it is about, and tell the others."""
        self._enforce(self._table.apply([row], time.time()))
        await self._news.tell({"type": BANS_CHANGED})

    def stop(self) -> None:
        """Stop what is under way."""
        for task in self._tasks:
            task.cancel()

    async def _read(self) -> list[Row]:
        if self._seen_until is None:
            return await directory.ask(decisions.in_force, seconds=LOAD_SECONDS, to="read", refusals=BANS)
        return await directory.ask(decisions.changed_since, self._seen_until - OVERLAP, to="read", refusals=BANS)

    def _enforce(self, new: list[Row]) -> None:
        for row in new:
            if row.client_id:
                self._layer.deliver_to_group(group_of(row.client_id), {"type": DISCONNECT})
        if any(row.network for row in new):
            now = time.time()
            for member in [one for one in self._members if self._table.network_seconds(one.network, now)]:
                member.shut(DISCONNECTED_BY_OPERATOR)

    def _receive(self, _event: Event) -> None:
        # Whatever it says: it may be of another version, and it is about bans. A look that is under way may have read.
        self._begin()

    def _begin(self) -> None:
        task = asyncio.create_task(self.look())
        self._tasks.add(task)
        task.add_done_callback(self._note_end)

    def _note_end(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            logger.error("Looking for bans failed", exc_info=error)
