"""The one place that chooses between memory and Redis, by the channel layer that the settings name."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from channels.layers import get_channel_layer
from django.conf import settings

from signaling.cluster.contract import Cluster
from signaling.cluster.members import Members
from signaling.cluster.single_process import SingleProcess
from signaling.connections.relay import Relay
from signaling.delivery.layers import LocalChannelLayer, LoopLayer
from signaling.registry.contract import Registry
from signaling.registry.memory import MemoryRegistry
from signaling.telemetry.readings import Minutes

Clock = Callable[[], float]


class Backend(NamedTuple):
    """The parts of a node that differ between memory and Redis, and the relay that uses them."""

    layer: LoopLayer
    registry: Registry
    relay: Relay
    cluster: Cluster


def choose(members: Members, minutes: Minutes, clock: Clock | None) -> Backend:
    """Build the parts for the running event loop; `clock` is the registry's, in seconds."""
    channel_layer: Any = get_channel_layer()
    if isinstance(channel_layer, LocalChannelLayer):
        return _in_memory(channel_layer, clock)
    return _on_redis(channel_layer, members, minutes, clock)


def _in_memory(channel_layer: LocalChannelLayer, clock: Clock | None) -> Backend:
    layer = channel_layer.here()
    registry = MemoryRegistry(settings.LIMITS, settings.TIMEOUTS, clock or time.monotonic)
    return Backend(layer, registry, Relay(registry, layer, settings.LIMITS.unproved_bytes), SingleProcess())


def _on_redis(channel_layer: Any, members: Members, minutes: Minutes, clock: Clock | None) -> Backend:
    # A process without Redis does without its libraries: 5 MiB, and a tenth of the work of a start.
    from signaling.cluster.redis_cluster import RedisCluster  # noqa: PLC0415
    from signaling.registry.log_guard import RedisStore  # noqa: PLC0415
    from signaling.registry.redis import RedisRegistry  # noqa: PLC0415

    layer = channel_layer.here()
    registry = RedisRegistry(layer, settings.LIMITS, settings.TIMEOUTS, clock)
    relay = Relay(registry, layer, settings.LIMITS.unproved_bytes, RedisStore(layer.link.call, layer.prefix))
    return Backend(layer, registry, relay, RedisCluster(layer, registry, relay, members, minutes))
