"""TURN servers that share a secret with this one, as coturn does with `use-auth-secret`."""

from turn.credentials import TurnSettings, mint
from turn.provider import IceServer


class SharedSecret:
    """Mints a credential with the newest secret."""

    def ice_servers(self, turn: TurnSettings, client_id: str, expires_at: int) -> list[IceServer]:
        """Return an entry for each of TURN_URLS, all with the same credential."""
        credential = mint(turn.secrets[0], client_id, expires_at)
        return [{"urls": url, "username": credential.username, "credential": credential.password} for url in turn.urls]
