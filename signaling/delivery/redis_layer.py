"""The channel layer of a server of several processes: delivery inside the process first, Redis across processes.

A group is a Redis channel, and a process subscribes to the groups of its own clients. Each process also has a
Redis channel of its own, for events that are sent to one of its channels.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from channels_redis.pubsub import RedisPubSubChannelLayer, RedisPubSubLoopLayer

from signaling.delivery.events import FORMAT, RETURNED, Event
from signaling.delivery.layers import LocalLoopLayer
from signaling.delivery.redis_link import RedisLink
from signaling.protocol.errors import UnavailableError

# Redis accepts any number in one command; this keeps each one short.
SUBSCRIPTIONS_PER_COMMAND = 500


class RedisChannelLayer(RedisPubSubChannelLayer):  # type: ignore[misc]  # channels_redis ships no types
    """channels_redis' pub/sub layer, with our connection in place of its own.

    Its group names, channel names and serializer are kept: a process with the stock layer and one with
    this one reach each other's groups; the stock one sees the `format` of our events.
    """

    def here(self) -> "RedisLoopLayer":
        """Return the running event loop's part, made on first use."""
        layer: RedisLoopLayer = self._get_layer()
        return layer

    def _get_layer(self) -> "RedisLoopLayer":
        loop = asyncio.get_running_loop()
        if loop not in self._layers:
            self._layers[loop] = RedisLoopLayer(*self._args, **self._kwargs, channel_layer=self)
        layer: RedisLoopLayer = self._layers[loop]
        return layer


class RedisLoopLayer(LocalLoopLayer, RedisPubSubLoopLayer):  # type: ignore[misc]
    """The `LoopLayer` of one process of several; `link` is its connection to Redis."""

    def __init__(self, hosts: list[str], **kwargs: Any) -> None:
        RedisPubSubLoopLayer.__init__(self, hosts=hosts, **kwargs)
        LocalLoopLayer.__init__(self)
        # Read with each message.
        self._group_names: str = self._get_group_channel_name("")
        self._pack: Callable[[Event], bytes] = self.channel_layer.serialize
        self._unpack: Callable[[bytes], Event] = self.channel_layer.deserialize
        self.link = RedisLink(hosts[0], self._receive)
        # Groups that were left, until Redis has confirmed it: events on their way still arrive.
        self._leaving: dict[str, tuple[str, ...]] = {}

    async def send(self, channel: str, message: Event) -> None:
        """See `LoopLayer.send`."""
        process, _, _ = channel.partition("!")
        if process.endswith(self.process):
            await super().send(channel, message)
        else:
            event = {**message, "__asgi_channel__": channel}
            await self.link.call("PUBLISH", f"{self.prefix}{process}!", self.serialize(event))

    async def group_add(self, group: str, channel: str) -> None:
        """See `LoopLayer.group_add`; raises `UnavailableError`."""
        await super().group_add(group, channel)
        try:
            await self.link.subscribe(self.redis_name(group))
        except BaseException:
            await self.group_discard(group, channel)
            raise

    async def group_discard(self, group: str, channel: str) -> None:
        """See `LoopLayer.group_discard`."""
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
        """See `LoopLayer.group_send`; raises `UnavailableError`."""
        members = self.groups.get(group)
        if members is not None:
            return self.deliver(members, message)
        receivers: int = await self.link.call("PUBLISH", self.redis_name(group), self.serialize(message))
        return receivers

    def redis_name(self, group: str) -> str:
        """Return the name of the Redis channel on which the events of a group are published."""
        return self._group_names + group

    def serialize(self, event: Event) -> bytes:
        """Pack an event as the channel layer does, with the number of its format."""
        return self._pack({**event, "format": FORMAT})

    def deserialize(self, packed: bytes) -> Event:
        """Unpack an event; give one of another format a type that no handler knows."""
        event = self._unpack(packed)
        found = event.pop("format", FORMAT)
        if found != FORMAT and event["type"] != RETURNED:
            event["type"] = f"{event['type']} in format {found}"
        return event

    async def resubscribe(self) -> None:
        """Subscribe to the process' own channel and to its groups; a new connection has no subscriptions."""
        await self.link.subscribe(f"{self.prefix}specific.{self.process}!")
        groups = list(self.groups)
        while groups:
            chunk, groups = groups[:SUBSCRIPTIONS_PER_COMMAND], groups[SUBSCRIPTIONS_PER_COMMAND:]
            # Some may have been left while the last chunk was under way.
            names = [self.redis_name(group) for group in chunk if group in self.groups]
            if names:
                await self.link.subscribe(*names)

    def _receive(self, redis_channel: str, packed: bytes) -> None:
        event = self.deserialize(packed)
        channel = event.pop("__asgi_channel__", None)
        if channel is not None:
            self.deliver((channel,), event)
            return
        group = redis_channel.removeprefix(self._group_names)
        self.deliver(self.groups.get(group) or self._leaving.get(group, ()), event)
