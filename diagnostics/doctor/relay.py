"""The TURN servers: a real allocation on each, with a credential as a client gets it."""

import asyncio

from django.conf import settings

from diagnostics.doctor.finding import Finding, failed, ok, warning
from securecall_client import new_client_id
from turn.allocation import AllocationError, UnsupportedTransportError, allocate
from turn.credentials import Credential
from turn.ice import fetch, ice_servers
from turn.pool import ProviderError

SUBJECT = "turn"


def examine(seconds: float) -> list[Finding]:
    """Allocate on every URL at once; each may take `seconds`."""
    if not settings.TURN.secrets:
        return [warning(SUBJECT, "not tried, as there is no TURN_SECRET: calls fail between most networks")]
    try:
        fetch()
    except ProviderError as error:
        return [failed(SUBJECT, f"{settings.TURN.provider.rpartition('.')[2]} gives no credentials: {error}")]
    return asyncio.run(_examine(seconds))


async def _examine(seconds: float) -> list[Finding]:
    relays = [server for server in ice_servers(new_client_id("doctor")) if "credential" in server]
    return await asyncio.gather(*(_allocate(relay, seconds) for relay in relays))


async def _allocate(relay: dict[str, str], seconds: float) -> Finding:
    url = relay["urls"]
    try:
        allocation = await allocate(url, Credential(relay["username"], relay["credential"]), seconds)
    except UnsupportedTransportError as error:
        return warning(SUBJECT, f"{url}: {error}")
    except AllocationError as error:
        return failed(SUBJECT, f"{url}: {error}")
    if allocation.warning:
        return warning(SUBJECT, f"{url}: {allocation.warning}")
    return ok(SUBJECT, f"{url} gives a relay address in {allocation.milliseconds:.1f} ms")
