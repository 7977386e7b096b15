"""Metered's TURN service, whose credentials its REST API makes.

Spoken as documented in "Create TURN Credential" of the TURN Server REST API, version 1
(https://www.metered.ca/docs/turn-rest-api/post-create-credential): POST /api/v1/turn/credential?secretKey=… with
`expiryInSeconds`, answered with `username` and `password`. The addresses of its servers are TURN_URLS.
"""

from urllib.parse import urlencode

import msgspec

from turn.credentials import TurnSettings
from turn.pool import Pooled, ProviderError
from turn.provider import IceServer
from turn.providers.rest import post

PATH = "/api/v1/turn/credential"


class Created(msgspec.Struct):
    """What is read of an answer."""

    username: str
    password: str


class Metered(Pooled):
    """Has Metered make a credential: TURN_API_URL is https://APP.metered.live, TURN_SECRET the app's secret key."""

    name = "Metered"

    def ask(self, turn: TurnSettings) -> list[IceServer]:
        """Create a credential that expires after TURN_TTL_SECONDS; return an entry for each of TURN_URLS."""
        url = f"{turn.api_url.rstrip('/')}{PATH}?{urlencode({'secretKey': turn.secrets[0]})}"
        created = post(url, {"expiryInSeconds": turn.ttl_seconds}, {}, Created)
        if not created.username or not created.password:
            raise ProviderError("its answer has no credential")
        return [{"urls": url, "username": created.username, "credential": created.password} for url in turn.urls]
