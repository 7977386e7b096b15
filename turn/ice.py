"""Make the `iceServers` list of a client, from the settings and the clock (PROTOCOL.md, "TURN credentials")."""

import time
from typing import NamedTuple

from django.conf import settings

from turn import provider
from turn.credentials import TurnSettings, expiry_after
from turn.provider import IceServer

# How many clients' entries are kept at once, of those that have calls: those of idle ones would only take memory.
MOST_KEPT = 1024
# The share of its life that a credential has left when it is given to a client.
LEAST_LEFT = 0.75


def ice_servers(client_id: str) -> list[IceServer]:
    """Make fresh entries for `new RTCPeerConnection({iceServers})`; empty without a secret and STUN servers."""
    return ice_servers_until(client_id, expiry())


def ice_servers_for_call(client_id: str) -> list[IceServer]:
    """Return the entries that the client's last call had, or fresh ones when a quarter of their life is over."""
    return _kept.get(settings.TURN, client_id, time.time())


def ice_servers_until(client_id: str, expires_at: int) -> list[IceServer]:
    """Make the entries that expire at `expires_at` (unix seconds), one URL each."""
    return _make(settings.TURN, client_id, expires_at)


def _make(turn: TurnSettings, client_id: str, expires_at: int) -> list[IceServer]:
    stun = [{"urls": url} for url in turn.stun_urls]
    if not turn.secrets:
        return stun
    return [*stun, *provider.load(turn.provider).ice_servers(turn, client_id, expires_at)]


def expiry() -> int:
    """Return when a credential minted now expires, in unix seconds."""
    turn: TurnSettings = settings.TURN
    return expiry_after(time.time(), turn.ttl_seconds)


class Kept(NamedTuple):
    """A client's entries, and until when they are given again, in unix seconds."""

    servers: list[IceServer]
    until: float


class KeptServers:
    """The entries of at most `most` clients; those that were made first go first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._turn: TurnSettings | None = None
        self._kept: dict[str, Kept] = {}

    def get(self, turn: TurnSettings, client_id: str, now: float) -> list[IceServer]:
        """Return a client's entries, made with these settings, which have `LEAST_LEFT` of their life left at `now`."""
        if turn is not self._turn:
            self._turn = turn
            self._kept.clear()
        kept = self._kept.get(client_id)
        if kept is not None and now <= kept.until:
            return kept.servers
        expires_at = expiry_after(now, turn.ttl_seconds)
        servers = _make(turn, client_id, expires_at)
        self._keep(client_id, Kept(servers, expires_at - turn.ttl_seconds * LEAST_LEFT))
        return servers

    def _keep(self, client_id: str, kept: Kept) -> None:
        # A client that is there already becomes the last.
        self._kept.pop(client_id, None)
        if len(self._kept) >= self._most:
            del self._kept[next(iter(self._kept))]
        self._kept[client_id] = kept


_kept = KeptServers(MOST_KEPT)
