"""A TURN allocation on each relay that a server hands out."""

from collections.abc import AsyncIterator

from diagnostics.outcome import Outcome
from diagnostics.smoke.step import Options, Step
from securecall_client import IceServer
from turn.allocation import AllocationError, UnsupportedTransportError, allocate
from turn.credentials import Credential


async def try_relays(ice_servers: list[IceServer], options: Options) -> AsyncIterator[Step]:
    """Allocate on every TURN URL of `ice_servers`; a server without one is a step, too."""
    relays = [(url, server) for server in ice_servers for url in server.all_urls if url.startswith("turn")]
    if not relays:
        outcome = Outcome.FAILED if options.requires_turn else Outcome.WARNING
        yield Step(
            "TURN", outcome, 0, "The server hands out no TURN server: set TURN_SECRET and TURN_URLS where it runs."
        )
    for url, relay in relays:
        yield await _try_relay(url, relay, options.seconds)


async def _try_relay(url: str, relay: IceServer, seconds: float) -> Step:
    title = f"allocate on {url}"
    credential = Credential(relay.username or "", relay.credential or "")
    try:
        allocation = await allocate(url, credential, seconds)
    except UnsupportedTransportError as error:
        return Step(title, Outcome.WARNING, 0, str(error))
    except AllocationError as error:
        return Step(title, Outcome.FAILED, 0, str(error))
    outcome = Outcome.WARNING if allocation.warning else Outcome.OK
    return Step(title, outcome, allocation.milliseconds, allocation.warning)
