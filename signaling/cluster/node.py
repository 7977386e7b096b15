"""One process among the others: its registry, its connections, and what it does at regular intervals."""

import asyncio
import contextlib
import itertools
import logging
import time
import weakref
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec
from django.conf import settings

from signaling.cluster import process_snapshot
from signaling.cluster.roll_call import RollCall
from signaling.connections.connection import Connection
from signaling.connections.relay import Relay
from signaling.connections.returns import note_unknown
from signaling.connections.timer_wheel import Wheel
from signaling.delivery.events import FORMAT
from signaling.delivery.layers import RedisSwitch, here
from signaling.protocol.closing import HEARTBEAT_TIMEOUT, REGISTRATION_TIMEOUT, Close
from signaling.protocol.errors import UnavailableError
from signaling.registry.contract import Registry
from signaling.registry.memory import MemoryRegistry
from signaling.registry.redis import RedisRegistry
from signaling.telemetry.counters import HOPS_A_ROUND, counters
from signaling.telemetry.readings import Minutes
from signaling.telemetry.snapshot import Gauges, Overview, Snapshot

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.25
SWEEP_TICKS = 4
LEASE_TICKS = 40
# How many connections are announced again at a time after Redis was away.
RESTORE_SIZE = 200


class Member(Protocol):
    """What the node knows of a consumer."""

    connection: Connection
    address: str
    connected_at: float
    last_seen: float
    tick: int
    ended_by: Close | int

    def shut(self, close: Close) -> None:
        """Close the connection with a code and a reason."""


class Node:
    """Everything of this process that is not one connection's; `clock` is its registry's, in seconds."""

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self.switch = here()
        self.registry: Registry
        if isinstance(self.switch, RedisSwitch):
            self.registry = RedisRegistry(self.switch, settings.LIMITS, settings.TIMEOUTS, clock)
        else:
            self.registry = MemoryRegistry(settings.LIMITS, settings.TIMEOUTS, clock or time.monotonic)
        self.relay = Relay(self.registry, self.switch)
        self.members: set[Member] = set()
        self.roll_call = RollCall(self.switch, self.members)
        # How many connections each address has here, for a Redis that may lose count.
        self._addresses: Counter[str] = Counter()
        self.minutes = Minutes(counters, unix_clock())
        self._wheel: Wheel[Member] = Wheel(TICK_SECONDS, time.monotonic())
        self._task: asyncio.Task[None] | None = None
        self._must_restore = False
        # The format numbers of other versions whose processes are there.
        self._other_formats: set[int] = set()

    async def start(self) -> None:
        """Connect to Redis, if there is one, and begin the rounds."""
        if isinstance(self.registry, RedisRegistry) and isinstance(self.switch, RedisSwitch):
            link = self.switch.link
            if self._announce not in link.on_connect:
                link.on_connect.insert(0, self._park)
                link.on_connect.append(self._announce)
                link.on_disconnect.append(self._unpark)
            await link.start()
        if self._task is None:
            self._task = asyncio.create_task(self._make_rounds())

    async def stop(self) -> None:
        """Leave: nothing of this process stays behind in Redis."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        if isinstance(self.registry, RedisRegistry) and isinstance(self.switch, RedisSwitch):
            with contextlib.suppress(UnavailableError):
                await self.registry.end_lease()
            await self.switch.link.stop()

    def add(self, member: Member) -> None:
        """Watch over a new connection."""
        self.members.add(member)
        counters.connections_opened += 1
        self._watch(member)

    def discard(self, member: Member) -> None:
        """Forget a connection."""
        if member in self.members:
            counters.count_close(member.ended_by)
        self.members.discard(member)
        self._wheel.remove(member, member.tick)

    async def admit(self, address: str) -> bool:
        """Count a connection from `address`; False when it has too many. Without Redis nobody is turned away."""
        with contextlib.suppress(UnavailableError):
            if not await self.registry.admit(address):
                return False
        self._addresses[address] += 1
        return True

    async def depart(self, address: str) -> None:
        """Count a connection that was admitted as closed; if Redis is away, it hears of it when it is back."""
        self._addresses[address] -= 1
        if not self._addresses[address]:
            del self._addresses[address]
        with contextlib.suppress(UnavailableError):
            await self.registry.depart(address)

    def gauges(self) -> Gauges:
        """Count what this process has now."""
        return process_snapshot.count(self._connections(), self.switch)

    def snapshot(self) -> Snapshot:
        """Describe this process as it is now."""
        return process_snapshot.describe(self._connections(), self.switch, self.minutes)

    async def overview(self) -> Overview:
        """Describe every process: this one now, the others as of their last lease.

        While Redis is away it is this one alone, and its snapshot says so.
        """
        own = self.snapshot()
        if not isinstance(self.registry, RedisRegistry):
            return Overview([own])
        try:
            snapshots = [Snapshot.decode(text) for text in await self.registry.snapshots()]
        except UnavailableError:
            return Overview([msgspec.structs.replace(own, redis_is_up=False)])
        if None in snapshots:
            note_unknown({"type": "a snapshot"})
        return Overview([own, *(one for one in snapshots if one is not None and one.process != own.process)])

    async def processes(self) -> dict[str, int]:
        """Count the registered clients of each process that lives; while Redis is away that is only this one."""
        own = {self.switch.process: len(self._registered())}
        if not isinstance(self.registry, RedisRegistry):
            return own
        try:
            return own | await self.registry.processes()
        except UnavailableError:
            return own

    async def _make_rounds(self) -> None:
        for ticks in itertools.count(1):
            began = time.monotonic()
            await asyncio.sleep(TICK_SECONDS)
            now = time.monotonic()
            counters.event_loop_lag.budget, counters.hop.budget = 1, HOPS_A_ROUND
            counters.event_loop_lag.observe(max(now - began - TICK_SECONDS, 0))
            self._close_idle(now)
            try:
                if ticks % SWEEP_TICKS == 0:
                    self.minutes.note()
                    await self._restore_if_needed()
                    await self.relay.settle()
                    await self.relay.announce(await self.registry.sweep())
                if ticks % LEASE_TICKS == 0:
                    await self._renew_lease()
            except UnavailableError:
                # The link says so itself, once; the next round tries again.
                continue
            except Exception:
                logger.exception("A round of the node failed")

    def _watch(self, member: Member) -> None:
        timeouts = settings.TIMEOUTS
        deadline = member.last_seen + timeouts.heartbeat_seconds
        if member.connection.client_id is None:
            deadline = min(deadline, member.connected_at + timeouts.registration_seconds)
        member.tick = self._wheel.put(member, deadline)

    def _close_idle(self, now: float) -> None:
        timeouts = settings.TIMEOUTS
        for member in self._wheel.due(now):
            if member.connection.is_leaving:
                # It is closed by whoever made it leave, and for that reason.
                continue
            is_registered = member.connection.client_id is not None
            if not is_registered and member.connected_at + timeouts.registration_seconds <= now:
                member.shut(REGISTRATION_TIMEOUT)
            elif member.last_seen + timeouts.heartbeat_seconds <= now:
                member.shut(HEARTBEAT_TIMEOUT)
            else:
                self._watch(member)

    async def _renew_lease(self) -> None:
        if not isinstance(self.registry, RedisRegistry):
            return
        if not await self._lease(self.registry):
            # It was given up for dead, or Redis lost its data: its clients are held, or unknown.
            self._must_restore = True

    def _note_formats(self, formats: Mapping[str, int]) -> None:
        others = set(formats.values()) - {FORMAT}
        if others - self._other_formats:
            found = ", ".join(map(str, sorted(others)))
            logger.warning("Processes of another version are on this Redis: format %s, and %d here", found, FORMAT)
        self._other_formats = others

    async def _lease(self, registry: RedisRegistry) -> bool:
        # Who reads it has it from Redis; the link itself says so only when all that follows a connect is done.
        snapshot = msgspec.structs.replace(self.snapshot(), redis_is_up=True)
        is_known = await registry.renew_lease(len(self.members), snapshot.encode())
        self._note_formats(await registry.formats())
        return is_known

    async def _restore_if_needed(self) -> None:
        if self._must_restore and isinstance(self.registry, RedisRegistry):
            await self._park()
            try:
                await self._restore(self.registry)
            except BaseException:
                self._unpark()
                raise

    async def _park(self) -> None:
        # From the moment that the groups are joined again until a client has what was held, newer events wait.
        for connection in self._registered():
            connection.park()

    def _unpark(self) -> None:
        for connection in self._registered():
            connection.unpark()

    async def _announce(self) -> None:
        self._must_restore = True
        if isinstance(self.registry, RedisRegistry):
            await self._lease(self.registry)
            await self._restore(self.registry)

    async def _restore(self, registry: RedisRegistry) -> None:
        await self.relay.settle()
        await registry.recount(self._addresses)
        registered = self._registered()
        for start in range(0, len(registered), RESTORE_SIZE):
            await asyncio.gather(
                *(_restore(registry, connection) for connection in registered[start : start + RESTORE_SIZE])
            )
        registry.has_lost_everything = self._must_restore = False

    def _connections(self) -> list[Connection]:
        return [member.connection for member in self.members]

    def _registered(self) -> list[Connection]:
        return [connection for connection in self._connections() if connection.client_id is not None]


async def _restore(registry: RedisRegistry, connection: Connection) -> None:
    client_id = connection.client_id
    if client_id is None:
        return
    joined = await registry.restore(client_id, connection.owner, connection.legs)
    if connection.client_id == client_id:
        connection.rejoin(joined)


def unix_clock() -> Callable[[], float]:
    """Make a clock of unix time, in seconds, that goes on evenly whatever the system's is set to."""
    offset = time.time() - time.monotonic()
    return lambda: time.monotonic() + offset


_nodes: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Node] = weakref.WeakKeyDictionary()


async def current(clock: Callable[[], float] | None = None) -> Node:
    """Return the running event loop's node; it starts with the first connection, and then takes `clock`."""
    loop = asyncio.get_running_loop()
    node = _nodes.get(loop)
    if node is None:
        node = _nodes[loop] = Node(clock)
    await node.start()
    return node


async def stop() -> None:
    """Stop the running event loop's node, if it started."""
    node = _nodes.pop(asyncio.get_running_loop(), None)
    if node is not None:
        await node.stop()
