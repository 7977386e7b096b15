"""The only door for pages: status, snapshots, clients online, disconnect, open calls, end a call, sign the log."""

from collections.abc import Collection
from typing import Any

from bans.table import Row
from signaling.cluster import node
from signaling.cluster.roll_call import Disconnected, Found
from signaling.connections.public_log import LogState
from signaling.protocol.calls import EndReason
from signaling.protocol.errors import UnavailableError
from signaling.registry.outcomes import OpenCall, OpenCalls
from signaling.telemetry.snapshot import Gauges, Overview
from transparency.stored import StoppedError

__all__ = [
    "Disconnected",
    "Found",
    "LogState",
    "OpenCall",
    "OpenCalls",
    "count_bans",
    "count_groups",
    "disconnect",
    "end_call",
    "find_clients",
    "gauges",
    "log_checkpoint",
    "log_state",
    "note_ban",
    "open_calls",
    "own",
    "snapshots",
    "status",
    "who_is_online",
]


async def status() -> dict[str, Any]:
    """Count connections, registered clients and calls, of every process together."""
    counts = await (await node.current()).registry.status()
    return {
        "connections": counts.connections,
        "registeredClients": counts.registered_clients,
        "openCalls": {"ringing": counts.ringing_calls, "active": counts.active_calls},
    }


async def gauges() -> Gauges:
    """Count the connections, clients and calls of this process."""
    return (await node.current()).gauges()


async def log_state() -> LogState:
    """Return how the public log is, as this process knows."""
    return (await node.current()).relay.log.state()


async def log_checkpoint() -> str | None:
    """Sign the public log as it is; None where there is none. Raises `StoppedError`."""
    try:
        return await (await node.current()).relay.log.checkpoint()
    except UnavailableError as error:
        raise StoppedError(str(error)) from error


async def count_groups() -> int:
    """Count the channel layer's groups that have members in this process."""
    return len((await node.current()).layer.groups)


async def snapshots() -> Overview:
    """Return every process' snapshot, for the dashboard: this one's first, and the sum of all as `total`."""
    return await (await node.current()).overview()


async def who_is_online(client_ids: Collection[str]) -> set[str]:
    """Return those of `client_ids` that are connected, to whichever process; raises `UnavailableError`."""
    return await (await node.current()).registry.who_is_online(client_ids)


async def find_clients(text: str, most: int) -> Found:
    """Find the connected clients whose ID contains `text`, of every process that answers within a second."""
    here = await node.current()
    return await here.roll_call.find(await here.processes(), text, most)


async def disconnect(client_id: str) -> Disconnected:
    """Close a client's connection with 4503, in whichever process; its calls are held."""
    here = await node.current()
    return await here.roll_call.disconnect(await here.processes(), client_id)


async def own(client_id: str, identity: str) -> None:
    """Have every process know that an operator changed to whom a client ID belongs; raises `UnavailableError`."""
    await (await node.current()).relay.owners.own(client_id, identity)


async def note_ban(row: Row) -> None:
    """Have this process know a ban that was decided or lifted, and the others look for it."""
    await (await node.current()).bans.note(row)


async def count_bans() -> dict[str, int]:
    """Count the bans that this process knows, by what they are about."""
    table = (await node.current()).relay.bans
    return {"client": table.clients, "network": table.networks}


async def open_calls(text: str, most: int) -> OpenCalls:
    """Return the newest calls whose ID, or one of whose clients', contains `text`; raises `UnavailableError`."""
    return await (await node.current()).registry.open_calls(text, most)


async def end_call(call_id: str) -> None:
    """End a call and tell both sides, now or when they are back; raises `CallNotFoundError`, `UnavailableError`."""
    here = await node.current()
    await here.relay.announce([await here.registry.end_call(call_id, EndReason.OPERATOR)])
