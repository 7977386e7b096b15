"""TURN servers with one account for all clients, whose password does not expire."""

from turn.credentials import TurnSettings
from turn.provider import IceServer


class StaticList:
    """Gives every client the same account: TURN_USERNAME, with the first of TURN_SECRET as its password."""

    def ice_servers(self, turn: TurnSettings, _client_id: str, _expires_at: int) -> list[IceServer]:
        """Return an entry for each of TURN_URLS."""
        return [{"urls": url, "username": turn.username, "credential": turn.secrets[0]} for url in turn.urls]
