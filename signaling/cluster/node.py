"""One process among the others: its registry, its connections, and its rounds.

Each event loop has one node, which starts with the first connection. Every quarter of a second the node makes a
round: it closes connections that are overdue; every second it sweeps the registry, carries out owed steps and looks
whether a TURN provider has to be asked; every five it looks whether client IDs have another owner or are banned; every
ten seconds it renews its lease; every minute it signs the public log, if there is one.
"""

import asyncio
import contextlib
import itertools
import logging
import time
import weakref
from collections.abc import Callable

import msgspec
from django.conf import settings

from signaling.cluster import backend, process_snapshot
from signaling.cluster.bans import Bans
from signaling.cluster.members import Member, Members
from signaling.cluster.roll_call import RollCall
from signaling.connections.timeouts import Deadlines
from signaling.protocol.errors import UnavailableError
from signaling.telemetry.counters import HOPS_PER_ROUND, counters
from signaling.telemetry.readings import Minutes
from signaling.telemetry.snapshot import Gauges, Overview, Snapshot
from turn import ice

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.25
SWEEP_TICKS = 4
POLL_TICKS = 20
LEASE_TICKS = 40
# The first round, and one a minute.
LOG_TICKS = 240


class Node:
    """All of this process that is not one connection's; `clock` is its registry's, in seconds."""

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self.members = Members()
        self.minutes = Minutes(counters, unix_clock())
        self.layer, self.registry, self.relay, self.cluster = backend.choose(self.members, self.minutes, clock)
        self.roll_call = RollCall(self.layer, self.members)
        self.bans = Bans(self.relay.bans, self.registry, self.layer, self.members)
        self._deadlines = Deadlines(TICK_SECONDS, time.monotonic())
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the cluster and the rounds, once."""
        await self.cluster.start()
        if self._task is None:
            self._task = asyncio.create_task(self._make_rounds())

    async def stop(self) -> None:
        """Stop the rounds and the cluster; the other processes hold the clients of this one."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        self.bans.stop()
        self.relay.owners.stop()
        await self.relay.log.close()
        await self.cluster.stop()

    def add(self, member: Member) -> None:
        """Add a new connection, count it, and watch its deadlines."""
        self.members.add(member)
        counters.connections_opened += 1
        self._deadlines.watch(member, settings.TIMEOUTS)

    def discard(self, member: Member) -> None:
        """Remove a connection and count its end, if it is there."""
        if member in self.members:
            counters.count_close(member.ended_by)
        self.members.discard(member)
        self._deadlines.forget(member)

    async def admit(self, address: str) -> bool:
        """Count a connection from `address`; return False if the address has too many, but never without Redis."""
        with contextlib.suppress(UnavailableError):
            if not await self.registry.admit(address):
                return False
        self.members.addresses[address] += 1
        return True

    async def depart(self, address: str) -> None:
        """Count an admitted connection as closed; while Redis is away, a recount tells it later."""
        addresses = self.members.addresses
        addresses[address] -= 1
        if not addresses[address]:
            del addresses[address]
        with contextlib.suppress(UnavailableError):
            await self.registry.depart(address)

    def gauges(self) -> Gauges:
        """Count the connections, clients and calls of this process."""
        return process_snapshot.count(self.members.connections(), self._redis())

    def snapshot(self) -> Snapshot:
        """Make this process' snapshot."""
        return process_snapshot.describe(self.members.connections(), self.layer.process, self.minutes, self._redis())

    def _redis(self) -> process_snapshot.Redis:
        return process_snapshot.Redis(self.cluster.is_up, self.cluster.is_writable)

    async def overview(self) -> Overview:
        """Return the snapshots of all processes: this one's of now, the others' of their last lease.

        While Redis is away it is this one's alone, which says so.
        """
        own = self.snapshot()
        try:
            return Overview([own, *await self.cluster.snapshots()])
        except UnavailableError:
            return Overview([msgspec.structs.replace(own, redis_is_up=False, redis_is_writable=False)])

    async def processes(self) -> dict[str, int]:
        """Count the registered clients of each process that lives; while Redis is away, of this one alone."""
        counts = {self.layer.process: len(self.members.registered())}
        with contextlib.suppress(UnavailableError):
            counts |= await self.cluster.client_counts()
        return counts

    async def _make_rounds(self) -> None:
        for ticks in itertools.count(1):
            began = time.monotonic()
            await asyncio.sleep(TICK_SECONDS)
            now = time.monotonic()
            counters.event_loop_lag.budget, counters.hop.budget = 1, HOPS_PER_ROUND
            counters.event_loop_lag.observe(max(now - began - TICK_SECONDS, 0))
            self._deadlines.close_overdue(now, settings.TIMEOUTS)
            try:
                if ticks % SWEEP_TICKS == 0:
                    ice.poll()
                    await self._sweep()
                if ticks % POLL_TICKS == 0:
                    self.relay.owners.poll()
                    self.bans.poll()
                if ticks % LOG_TICKS == 1:
                    self.relay.log.poll()
                if ticks % LEASE_TICKS == 0:
                    await self.cluster.renew_lease()
            except UnavailableError:
                # The link has logged it, once; the next round tries again.
                continue
            except Exception:
                logger.exception("A round of the node failed")

    async def _sweep(self) -> None:
        self.minutes.note()
        await self.relay.proofs.ask(time.monotonic())
        self.relay.copies.sweep()
        await self.relay.announce(await self.registry.sweep())
        # The sweep finds out what the registry has lost.
        await self.cluster.restore_if_due()
        await self.relay.settle()


def unix_clock() -> Callable[[], float]:
    """Make a clock of unix time, in seconds, that goes on evenly whatever the system's is set to."""
    offset = time.time() - time.monotonic()
    return lambda: time.monotonic() + offset


_nodes: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Node] = weakref.WeakKeyDictionary()


async def current(clock: Callable[[], float] | None = None) -> Node:
    """Return the running event loop's node, started; the first call makes it, with `clock`."""
    loop = asyncio.get_running_loop()
    node = _nodes.get(loop)
    if node is None:
        node = _nodes[loop] = Node(clock)
    await node.start()
    return node


async def stop() -> None:
    """Stop the running event loop's node, if there is one."""
    node = _nodes.pop(asyncio.get_running_loop(), None)
    if node is not None:
        await node.stop()
