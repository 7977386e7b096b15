"""Make the `iceServers` list of a client, from the settings and the clock (PROTOCOL.md, "TURN credentials")."""

import time
from typing import NamedTuple

from django.conf import settings

from turn import provider
from turn.credentials import TurnSettings, expiry_after
from turn.pool import Entries, Pooled, State
from turn.provider import IceServer

# How many clients' entries are kept at once, of those that have calls: those of idle ones would only take memory.
MOST_KEPT = 1024
# The share of its life that a credential has left when it is given to a client.
LEAST_LEFT = 0.75


def ice_servers(client_id: str) -> list[IceServer]:
    """Make fresh entries for `new RTCPeerConnection({iceServers})`; empty without a secret and STUN servers."""
    return entries(client_id).servers


def entries(client_id: str) -> Entries:
    """Make fresh entries, or return those that a provider gave, with the time until which they are good."""
    turn: TurnSettings = settings.TURN
    pool = _pool()
    if pool is None:
        expires_at = expiry()
        return Entries(ice_servers_until(client_id, expires_at), expires_at)
    given = pool.entries(turn, time.time())
    return Entries(_with_stun(turn, given.servers), given.expires_at or expiry())


def poll() -> None:
    """Begin to fetch newer entries, where there is a provider to ask and it is time for that."""
    if (pool := _pool()) is not None:
        pool.poll(settings.TURN, time.time())


def fetch() -> None:
    """Fetch entries now, where there is a provider to ask; blocks. Raises `ProviderError`."""
    if (pool := _pool()) is not None:
        pool.fetch(settings.TURN)


def provider_state() -> State | None:
    """Return how the provider is that is asked over the network; None where there is none."""
    pool = _pool()
    return None if pool is None else pool.state(settings.TURN, time.time())


def _pool() -> Pooled | None:
    turn: TurnSettings = settings.TURN
    found = provider.load(turn.provider) if turn.secrets else None
    return found if isinstance(found, Pooled) else None


def _with_stun(turn: TurnSettings, servers: list[IceServer]) -> list[IceServer]:
    """Return the STUN servers of the settings, then the others, each URL once."""
    stun: list[IceServer] = [{"urls": url} for url in turn.stun_urls]
    return [*stun, *(server for server in servers if server["urls"] not in turn.stun_urls)]


def ice_servers_for_call(client_id: str) -> list[IceServer]:
    """Return the entries that the client's last call had, or fresh ones when a quarter of their life is over."""
    turn, now = settings.TURN, time.time()
    # For each message of a call's begin: only what is minted is here.
    found = _kept.find(turn, client_id, now)
    if found is not None:
        return found
    return ice_servers(client_id) if _pool() is not None else _kept.get(turn, client_id, now)


def ice_servers_until(client_id: str, expires_at: int) -> list[IceServer]:
    """Make the entries that expire at `expires_at` (unix seconds), one URL each."""
    return _make(settings.TURN, client_id, expires_at)


def _make(turn: TurnSettings, client_id: str, expires_at: int) -> list[IceServer]:
    if not turn.secrets:
        return _with_stun(turn, [])
    return _with_stun(turn, provider.load(turn.provider).ice_servers(turn, client_id, expires_at))


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
        found = self.find(turn, client_id, now)
        if found is not None:
            return found
        if turn is not self._turn:
            self._turn = turn
            self._kept.clear()
        expires_at = expiry_after(now, turn.ttl_seconds)
        servers = _make(turn, client_id, expires_at)
        self._keep(client_id, Kept(servers, expires_at - turn.ttl_seconds * LEAST_LEFT))
        return servers

    def find(self, turn: TurnSettings, client_id: str, now: float) -> list[IceServer] | None:
        """Return such entries if they are made already."""
        kept = self._kept.get(client_id)
        return kept.servers if kept is not None and now <= kept.until and turn is self._turn else None

    def _keep(self, client_id: str, kept: Kept) -> None:
        # A client that is there already becomes the last.
        self._kept.pop(client_id, None)
        if len(self._kept) >= self._most:
            del self._kept[next(iter(self._kept))]
        self._kept[client_id] = kept


_kept = KeptServers(MOST_KEPT)
