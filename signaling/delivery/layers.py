"""Channel layers: delivery inside the process first, Redis across processes.

Both deliver an event by calling whoever attached to the channel: no queue, no task and no copy on the
way of a message. A group stands for a client ID, which has one connection: its members are all in one
process. Where that is this one, Redis is not asked.
"""

import asyncio
import itertools
import secrets
import weakref
from collections.abc import Callable
from typing import Any

from channels.layers import get_channel_layer
from channels_redis.pubsub import RedisPubSubChannelLayer, RedisPubSubLoopLayer

from signaling.delivery.events import FORMAT, RETURNED, Event
from signaling.delivery.redis_link import RedisLink
from signaling.protocol.errors import UnavailableError

Deliver = Callable[[Event], None]

# Redis takes any number in one command; this keeps each one short.
SUBSCRIPTIONS_A_COMMAND = 500


class Switch:
    """The channels and groups of one process, and the part of a layer that it can do alone."""

    def __init__(self) -> None:
        self.process = secrets.token_hex(8)
        self._numbers = itertools.count(1)
        # None: nobody attached to the channel, and nothing came for it yet.
        self._channels: dict[str, Deliver | None] = {}
        self._queues: dict[str, asyncio.Queue[Event]] = {}
        self.groups: dict[str, tuple[str, ...]] = {}

    def attach(self, channel: str, deliver: Deliver) -> None:
        """Have `deliver` called with every event for `channel`; it must not block."""
        self._channels[channel] = deliver

    def detach(self, channel: str) -> None:
        """Stop delivering to `channel`."""
        self._channels.pop(channel, None)
        self._queues.pop(channel, None)

    async def new_channel(self, prefix: str = "specific.") -> str:
        """Make a channel name that leads to this process."""
        channel = f"{prefix}{self.process}!{next(self._numbers)}"
        self._channels[channel] = None
        return channel

    async def receive(self, channel: str) -> Event:
        """Wait for the next event, for consumers that do not attach."""
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
        """Deliver to one channel."""
        self.deliver((channel,), message)

    async def group_add(self, group: str, channel: str) -> None:
        """Add a channel of this process to a group."""
        members = self.groups.get(group, ())
        if channel not in members:
            self.groups[group] = (*members, channel)

    async def group_discard(self, group: str, channel: str) -> None:
        """Remove a channel from a group."""
        members = tuple(member for member in self.groups.get(group, ()) if member != channel)
        if members:
            self.groups[group] = members
        else:
            self.groups.pop(group, None)

    async def group_send(self, group: str, message: Event) -> int:
        """Deliver to every member; returns how many there were."""
        return self.deliver_to_group(group, message)

    def deliver_to_group(self, group: str, event: Event) -> int:
        """Deliver to the members in this process, at once; returns how many there were."""
        return self.deliver(self.groups.get(group, ()), event)

    def deliver(self, channels: tuple[str, ...], event: Event) -> int:
        """Deliver to channels of this process; returns how many of them there were."""
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
    """The layer of a server that is one process."""

    extensions = ("groups",)

    def __init__(self) -> None:
        self._switches: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Switch] = weakref.WeakKeyDictionary()

    def here(self) -> Switch:
        """Return the part of the layer that belongs to the running event loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._switches:
            self._switches[loop] = Switch()
        return self._switches[loop]

    def __getattr__(self, name: str) -> Any:
        if name in {"new_channel", "receive", "send", "group_add", "group_discard", "group_send"}:
            return getattr(self.here(), name)
        raise AttributeError(name)


class RedisChannelLayer(RedisPubSubChannelLayer):  # type: ignore[misc]  # channels_redis ships no types
    """channels_redis' pub/sub layer, with our connection in place of its own.

    Its group names, channel names and serializer are kept: a process with the stock layer and one with
    this one reach each other's groups; the stock one sees the `format` of our events.
    """

    def here(self) -> "RedisSwitch":
        """Return the part of the layer that belongs to the running event loop."""
        layer: RedisSwitch = self._get_layer()
        return layer

    def _get_layer(self) -> "RedisSwitch":
        loop = asyncio.get_running_loop()
        if loop not in self._layers:
            self._layers[loop] = RedisSwitch(*self._args, **self._kwargs, channel_layer=self)
        layer: RedisSwitch = self._layers[loop]
        return layer


class RedisSwitch(Switch, RedisPubSubLoopLayer):  # type: ignore[misc]
    """One event loop's part of `RedisChannelLayer`."""

    def __init__(self, hosts: list[str], **kwargs: Any) -> None:
        RedisPubSubLoopLayer.__init__(self, hosts=hosts, **kwargs)
        Switch.__init__(self)
        # Asked for with each message.
        self._group_names: str = self._get_group_channel_name("")
        self._pack: Callable[[Event], bytes] = self.channel_layer.serialize
        self._unpack: Callable[[bytes], Event] = self.channel_layer.deserialize
        self.link = RedisLink(hosts[0], self._receive)
        self.link.on_connect.append(self._resubscribe)
        # Groups that were left, until Redis has confirmed it: what was on its way still arrives.
        self._leaving: dict[str, tuple[str, ...]] = {}

    async def send(self, channel: str, message: Event) -> None:
        """Deliver to one channel, of whichever process it names."""
        process, _, _ = channel.partition("!")
        if process.endswith(self.process):
            await super().send(channel, message)
        else:
            event = {**message, "__asgi_channel__": channel}
            await self.link.call("PUBLISH", f"{self.prefix}{process}!", self.serialize(event))

    async def group_add(self, group: str, channel: str) -> None:
        """Add a channel; when this returns, everything sent to the group arrives."""
        await super().group_add(group, channel)
        try:
            await self.link.subscribe(self.redis_name(group))
        except BaseException:
            await self.group_discard(group, channel)
            raise

    async def group_discard(self, group: str, channel: str) -> None:
        """Remove a channel; until this returns, what was on its way is still delivered."""
        members = self.groups.get(group, ())
        await super().group_discard(group, channel)
        if group in self.groups or not members:
            return
        self._leaving[group] = members
        try:
            await self.link.unsubscribe(self.redis_name(group))
        except UnavailableError:
            # With the connection, the subscription is gone too.
            pass
        finally:
            self._leaving.pop(group, None)

    async def group_send(self, group: str, message: Event) -> int:
        """Deliver to every member; returns how many processes or members there were."""
        members = self.groups.get(group)
        if members is not None:
            return self.deliver(members, message)
        receivers: int = await self.link.call("PUBLISH", self.redis_name(group), self.serialize(message))
        return receivers

    def redis_name(self, group: str) -> str:
        """Return the Redis channel of a group."""
        return self._group_names + group

    def serialize(self, event: Event) -> bytes:
        """Pack an event as the layer does, with the number of its format."""
        return self._pack({**event, "format": FORMAT})

    def deserialize(self, packed: bytes) -> Event:
        """Unpack an event; one of another format gets a type that nobody knows."""
        event = self._unpack(packed)
        found = event.pop("format", FORMAT)
        if found != FORMAT and event["type"] != RETURNED:
            event["type"] = f"{event['type']} in format {found}"
        return event

    def _receive(self, redis_channel: str, packed: bytes) -> None:
        event = self.deserialize(packed)
        channel = event.pop("__asgi_channel__", None)
        if channel is not None:
            self.deliver((channel,), event)
            return
        group = redis_channel.removeprefix(self._group_names)
        self.deliver(self.groups.get(group) or self._leaving.get(group, ()), event)

    async def _resubscribe(self) -> None:
        await self.link.subscribe(f"{self.prefix}specific.{self.process}!")
        groups = list(self.groups)
        while groups:
            chunk, groups = groups[:SUBSCRIPTIONS_A_COMMAND], groups[SUBSCRIPTIONS_A_COMMAND:]
            # Some may have been left while the last chunk was under way.
            names = [self.redis_name(group) for group in chunk if group in self.groups]
            if names:
                await self.link.subscribe(*names)


def here() -> Switch:
    """Return the running event loop's part of the channel layer that the settings name."""
    layer: Any = get_channel_layer()
    switch: Switch = layer.here()
    return switch
