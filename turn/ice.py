"""Make the `iceServers` list of a client, from the settings and the clock (PROTOCOL.md, "TURN credentials")."""

import time

from django.conf import settings

from turn import provider
from turn.credentials import TurnSettings, expiry_after
from turn.provider import IceServer


def ice_servers(client_id: str) -> list[IceServer]:
    """Make fresh entries for `new RTCPeerConnection({iceServers})`; empty without a secret and STUN servers."""
    return ice_servers_until(client_id, expiry())


def ice_servers_until(client_id: str, expires_at: int) -> list[IceServer]:
    """Make the entries that expire at `expires_at` (unix seconds), one URL each."""
    turn: TurnSettings = settings.TURN
    stun = [{"urls": url} for url in turn.stun_urls]
    if not turn.secrets:
        return stun
    return [*stun, *provider.load(turn.provider).ice_servers(turn, client_id, expires_at)]


def expiry() -> int:
    """Return when a credential minted now expires, in unix seconds."""
    turn: TurnSettings = settings.TURN
    return expiry_after(time.time(), turn.ttl_seconds)
