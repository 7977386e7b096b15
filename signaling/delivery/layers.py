"""Channel layers: the contract of one event loop's part, and the layer of a server that is one process.

A layer delivers an event by calling the function that was attached to the channel: no queue, no task and no
copy on the way of a message. A group stands for a client ID, which has one connection: its members are all in
one process. `redis_layer.py` reaches the groups of other processes; where the members are in this one, it does
not ask Redis either.
"""

import asyncio
import itertools
import secrets
import weakref
from collections.abc import Callable
from typing import Any, Protocol

from signaling.delivery.events import Event

Deliver = Callable[[Event], None]


class LoopLayer(Protocol):
    """One event loop's part of a channel layer: the channels and groups of this process, and the way to the others.

    `process` names this process; `groups` has the channels of each group that has members here.
    """

    process: str
    groups: dict[str, tuple[str, ...]]

    def attach(self, channel: str, deliver: Deliver) -> None:
        """Call `deliver` with every event for `channel`; it must not block."""

    def detach(self, channel: str) -> None:
        """Stop delivering to `channel`."""

    async def new_channel(self, prefix: str = "specific.") -> str:
        """Make a channel name that leads to this process."""

    async def send(self, channel: str, message: Event) -> None:
        """Deliver an event to one channel, in whichever process."""

    async def group_add(self, group: str, channel: str) -> None:
        """Add a channel of this process to a group; on return, everything sent to the group reaches it."""

    def add_to_group(self, group: str, channel: str) -> None:
        """Add a channel to a group in this process, at once; no other process hears of it."""

    async def group_discard(self, group: str, channel: str) -> None:
        """Remove a channel from a group; until this returns, events on their way are still delivered."""

    async def group_send(self, group: str, message: Event) -> int:
        """Deliver an event to every member; return how many members here, or else other processes, it reached."""

    def deliver_to_group(self, group: str, event: Event) -> int:
        """Deliver an event to the members in this process, at once; return how many there were."""

    def deliver(self, channels: tuple[str, ...], event: Event) -> int:
        """Deliver an event to channels of this process, at once; return how many of them there were."""


class LocalLoopLayer:
    """The `LoopLayer` of a single process."""

    def __init__(self) -> None:
        self.process = secrets.token_hex(8)
        self._numbers = itertools.count(1)
        # None: no function is attached to the channel, and no event came for it yet.
        self._channels: dict[str, Deliver | None] = {}
        self._queues: dict[str, asyncio.Queue[Event]] = {}
        self.groups: dict[str, tuple[str, ...]] = {}

    def attach(self, channel: str, deliver: Deliver) -> None:
        """See `LoopLayer.attach`."""
        self._channels[channel] = deliver

    def detach(self, channel: str) -> None:
        """See `LoopLayer.detach`."""
        self._channels.pop(channel, None)
        self._queues.pop(channel, None)

    async def new_channel(self, prefix: str = "specific.") -> str:
        """See `LoopLayer.new_channel`."""
        channel = f"{prefix}{self.process}!{next(self._numbers)}"
        self._channels[channel] = None
        return channel

    async def receive(self, channel: str) -> Event:
        """Return the next event of a channel, for Channels' consumers, which do not attach."""
        try:
            return await self._queue(channel).get()
        except asyncio.CancelledError:
            self.detach(channel)
            raise

    def _queue(self, channel: str) -> asyncio.Queue[Event]:
        queue = self._queues.get(channel)
        if queue is None:
            queue = self._queues[channel] = asyncio.Queue()
            self.attach(channel, queue.put_nowait)
        return queue

    async def send(self, channel: str, message: Event) -> None:
        """See `LoopLayer.send`."""
        self.deliver((channel,), message)

    async def group_add(self, group: str, channel: str) -> None:
        """See `LoopLayer.group_add`."""
        self.add_to_group(group, channel)

    def add_to_group(self, group: str, channel: str) -> None:
        """See `LoopLayer.add_to_group`."""
        members = self.groups.get(group, ())
        if channel not in members:
            self.groups[group] = (*members, channel)

    async def group_discard(self, group: str, channel: str) -> None:
        """See `LoopLayer.group_discard`."""
        members = tuple(member for member in self.groups.get(group, ()) if member != channel)
        if members:
            self.groups[group] = members
        else:
            self.groups.pop(group, None)

    async def group_send(self, group: str, message: Event) -> int:
        """See `LoopLayer.group_send`."""
        return self.deliver_to_group(group, message)

    def deliver_to_group(self, group: str, event: Event) -> int:
        """See `LoopLayer.deliver_to_group`."""
        return self.deliver(self.groups.get(group, ()), event)

    def deliver(self, channels: tuple[str, ...], event: Event) -> int:
        """See `LoopLayer.deliver`."""
        reached = 0
        for channel in channels:
            attached = self._channels.get(channel)
            if attached is None:
                if channel not in self._channels:
                    continue
                attached = self._queue(channel).put_nowait
            attached(event)
            reached += 1
        return reached


class LocalChannelLayer:
    """The channel layer of a server that is one process."""

    extensions = ("groups",)

    def __init__(self) -> None:
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, LocalLoopLayer] = weakref.WeakKeyDictionary()

    def here(self) -> LocalLoopLayer:
        """Return the running event loop's part, made on first use."""
        loop = asyncio.get_running_loop()
        if loop not in self._loops:
            self._loops[loop] = LocalLoopLayer()
        return self._loops[loop]

    def __getattr__(self, name: str) -> Any:
        if name in {"new_channel", "receive", "send", "group_add", "group_discard", "group_send"}:
            return getattr(self.here(), name)
        raise AttributeError(name)
