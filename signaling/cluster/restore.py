"""After each connect to Redis: make what Redis knows and what this process knows agree again.

While the link was down, clients of this process went on with their calls among themselves, and other processes
could not reach them. Redis may have lost all of its data, or come back with older data: a snapshot, or a replica that
lagged. It may have given this process up and held its clients; another process may have claimed one of them. So each
connection is parked, announced with its calls, and goes on with what the registry has for it; what Redis takes for this
process' and is not is let go. If the link breaks meanwhile, everything goes on as it was, and the next connect begins
anew.
"""

import asyncio
from collections.abc import Awaitable, Callable

from django.conf import settings

from signaling.cluster.members import Members
from signaling.connections.connection import Connection
from signaling.connections.relay import Relay
from signaling.delivery.redis_layer import RedisLoopLayer
from signaling.registry.redis import RedisRegistry

# How many connections are announced at a time.
RESTORE_SIZE = 200


class Restore:
    """The listener of the process' link to Redis; `is_due` says that the registry may lack clients of this process."""

    def __init__(
        self,
        layer: RedisLoopLayer,
        registry: RedisRegistry,
        relay: Relay,
        members: Members,
        renew_lease: Callable[[], Awaitable[object]],
    ) -> None:
        self._layer = layer
        self._registry = registry
        self._relay = relay
        self._members = members
        self._renew_lease = renew_lease
        self.is_due = False

    async def reconnected(self) -> None:
        """Restore this process in Redis, before any other command goes through.

        1. Park the registered connections: from the moment that their groups are joined again until a client has
           the messages that were held for it, newer ones wait.
        2. Subscribe to this process' own channel and to its groups.
        3. Prepare the registry: load its scripts, set its clock, and see whether Redis lost its data.
        4. Renew the lease, so that other processes do not hold these clients.
        5. Carry out the steps that are owed, such as the release of a client ID whose connection ended meanwhile.
        6. Tell the registry of the calls that this process ended lately, so that nobody revives them.
        7. Let go of the clients that the registry takes for those of this process, and that no connection has.
        8. Recount the connections of each address.
        9. Restore each registered connection with its calls; it goes on with the calls and messages that the registry
           has for it, or is closed, if a newer connection has its client ID.
        """
        self._park()
        # Those that end from here on release their client IDs themselves.
        connection_ids = [connection.owner.connection_id for connection in self._members.connections()]
        await self._layer.resubscribe()
        await self._registry.prepare()
        self.is_due = True
        await self._renew_lease()
        await self._relay.settle()
        await self._registry.end_again()
        await self._registry.let_go(connection_ids, settings.TIMEOUTS.hold_seconds)
        await self._restore()

    def disconnected(self) -> None:
        """Unpark the registered connections, which go on without Redis."""
        self._unpark()

    async def restore_if_due(self) -> None:
        """Do what of `reconnected` a link that stayed up needs, if it is due or the registry lacks something."""
        if not (self.is_due or self._registry.is_behind):
            return
        self.is_due = True
        self._park()
        try:
            await self._renew_lease()
            await self._relay.settle()
            await self._registry.end_again()
            await self._restore()
        except BaseException:
            self._unpark()
            raise

    def _park(self) -> None:
        for connection in self._members.registered():
            connection.park()

    def _unpark(self) -> None:
        for connection in self._members.registered():
            connection.unpark()

    async def _restore(self) -> None:
        await self._registry.recount(self._members.addresses)
        registered = self._members.registered()
        for start in range(0, len(registered), RESTORE_SIZE):
            await asyncio.gather(*map(self._restore_one, registered[start : start + RESTORE_SIZE]))
        self._registry.has_lost_data = self._registry.is_behind = self.is_due = False

    async def _restore_one(self, connection: Connection) -> None:
        client_id = connection.client_id
        if client_id is None:
            return
        restored = await self._registry.restore(
            client_id, connection.owner, connection.legs, self._relay.placing, connection.identity
        )
        if connection.client_id == client_id:
            connection.rejoin(restored.joined)
        await self._relay.announce(restored.ended)
