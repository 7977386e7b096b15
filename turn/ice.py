"""The `iceServers` list for a client, from the settings and the clock (PROTOCOL.md, "TURN credentials")."""

import time

from django.conf import settings

from turn.credentials import TurnSettings, expiry_after, mint


def ice_servers(client_id: str) -> list[dict[str, str]]:
    """Mint fresh entries for `new RTCPeerConnection({iceServers})`; empty without a secret."""
    return ice_servers_until(client_id, expiry())


def ice_servers_until(client_id: str, expires_at: int) -> list[dict[str, str]]:
    """Mint the entries that expire at `expires_at` (unix seconds), one URL each."""
    turn: TurnSettings = settings.TURN
    stun = [{"urls": url} for url in turn.stun_urls]
    if not turn.secrets:
        return stun
    credential = mint(turn.secrets[0], client_id, expires_at)
    return [
        *stun,
        *({"urls": url, "username": credential.username, "credential": credential.password} for url in turn.urls),
    ]


def expiry() -> int:
    """When a credential minted now expires, in unix seconds."""
    turn: TurnSettings = settings.TURN
    return expiry_after(time.time(), turn.ttl_seconds)
