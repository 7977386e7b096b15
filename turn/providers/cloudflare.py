"""Cloudflare's TURN service, whose credentials its Realtime API makes.

Spoken as documented in "Generate Credentials" of Cloudflare Realtime, as of 2026-09-25
(https://developers.cloudflare.com/realtime/turn/generate-credentials/): POST
/v1/turn/keys/KEY-ID/credentials/generate-ice-servers with the key's API token and a `ttl`, answered by 201 with
`iceServers`, whose `urls` are lists. TURN_URLS are not used.
"""

from urllib.parse import quote

import msgspec

from turn.credentials import TurnSettings
from turn.pool import Pooled, ProviderError
from turn.provider import IceServer
from turn.providers.rest import post
from turn.urls import ServerUrl, fatal, unused

API_URL = "https://rtc.live.cloudflare.com"


class Entry(msgspec.Struct):
    """One of `iceServers`, as W3C's `RTCIceServer`."""

    urls: str | list[str]
    username: str | None = None
    credential: str | None = None


class Generated(msgspec.Struct):
    """What is read of an answer."""

    ice_servers: list[Entry] = msgspec.field(name="iceServers")


class Cloudflare(Pooled):
    """Has Cloudflare make a credential: TURN_KEY_ID is the TURN key's ID, TURN_SECRET its API token."""

    name = "Cloudflare"

    def ask(self, turn: TurnSettings) -> list[IceServer]:
        """Generate a credential good for TURN_TTL_SECONDS; return the entries that browsers use, one URL each."""
        headers = {"Authorization": f"Bearer {turn.secrets[0]}"}
        generated = post(url_of(turn), {"ttl": turn.ttl_seconds}, headers, Generated)
        servers = [server for entry in generated.ice_servers for server in _one_url_each(entry)]
        if not any("credential" in server for server in servers):
            raise ProviderError("its answer has no TURN server")
        return servers


def url_of(turn: TurnSettings) -> str:
    """Return the URL that generates a credential with the TURN key."""
    base = (turn.api_url or API_URL).rstrip("/")
    return f"{base}/v1/turn/keys/{quote(turn.key_id, safe='')}/credentials/generate-ice-servers"


def _one_url_each(entry: Entry) -> list[IceServer]:
    urls = [entry.urls] if isinstance(entry.urls, str) else entry.urls
    account = {"username": entry.username, "credential": entry.credential}
    given = {name: value for name, value in account.items() if value}
    return [{"urls": url, **given} for url in urls if _is_used(url, has_account=len(given) == len(account))]


def _is_used(text: str, *, has_account: bool) -> bool:
    """Return whether browsers use a URI: a TURN server with its account, on a port that they do not block."""
    try:
        url = ServerUrl.parse(text)
    except ValueError:
        return False
    return url.is_turn == has_account and fatal(url) is None and unused(url) is None
