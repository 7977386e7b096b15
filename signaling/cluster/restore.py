"""After each connect to Redis: make what Redis knows and what this process knows agree again.

While the link was down, clients of this process went on with their calls among themselves, and other processes
could not reach them. Redis may have lost all of its data, or a part; it may have given this process up and held
its clients; another process may have claimed one of them. So each connection is parked, announced, and goes on
with what the registry has for it. If the link breaks meanwhile, everything goes on as it was, and the next connect
begins anew.
"""

import asyncio
from collections.abc import Awaitable, Callable

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
        6. Recount the connections of each address.
        7. Restore each registered connection; it goes on with the calls and messages that the registry has for it,
           or is closed, if a newer connection has its client ID.
        """
        self._park()
        await self._layer.resubscribe()
        await self._registry.prepare()
        self.is_due = True
        await self._renew_lease()
        await self._restore()

    def disconnected(self) -> None:
        """Unpark the registered connections, which go on without Redis."""
        self._unpark()

    async def restore_if_due(self) -> None:
        """Do steps 1 and 5 to 7 of `reconnected` again, on a link that stayed up, if they are due."""
        if not self.is_due:
            return
        self._park()
        try:
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
        await self._relay.settle()
        await self._registry.recount(self._members.addresses)
        registered = self._members.registered()
        for start in range(0, len(registered), RESTORE_SIZE):
            await asyncio.gather(*map(self._restore_one, registered[start : start + RESTORE_SIZE]))
        self._registry.has_lost_everything = self.is_due = False

    async def _restore_one(self, connection: Connection) -> None:
        client_id = connection.client_id
        if client_id is None:
            return
        joined = await self._registry.restore(client_id, connection.owner, connection.legs)
        if connection.client_id == client_id:
            connection.rejoin(joined)
