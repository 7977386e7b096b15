"""The seam between the server and the TURN service that it has: TURN_PROVIDER names a class with this method.

A new provider is one file in `providers/`, with such a class; one that has to be asked over the network inherits
`turn.pool.Pooled`. Its key stands in TURN_SECRET, so that doctor,
the checks and the dashboard know whether there is one, and its servers in TURN_URLS.
"""

from functools import cache
from typing import Protocol, runtime_checkable

from django.utils.module_loading import import_string

from turn.credentials import TurnSettings

IceServer = dict[str, str]


@runtime_checkable
class TurnProvider(Protocol):
    """Gives clients TURN servers with their credentials."""

    def ice_servers(self, turn: TurnSettings, client_id: str, expires_at: int) -> list[IceServer]:
        """Return the client's entries for `new RTCPeerConnection({iceServers})`, one URL each.

        They are good until `expires_at` (unix seconds) at least, and given again to a client that has calls within the
        first quarter of that time. The event loop calls this, only while there is a secret: a provider that has to ask
        a network does so before, and keeps the answer (`turn.pool`).
        """


@cache
def load(path: str) -> TurnProvider:
    """Import the class at the dotted path and make its only instance; raises `ImportError`, also for no such class."""
    found = import_string(path)
    if isinstance(found, type) and issubclass(found, TurnProvider):
        return found()
    raise ImportError(f"{path} is no class with the method ice_servers")
