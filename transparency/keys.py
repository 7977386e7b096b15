"""The keys of the log that the settings name: its private ones, and its name, which holds the public VRF key."""

from functools import lru_cache

from django.conf import settings

from pkd.keys import base64url, from_base64url
from transparency.notes import Signer
from transparency.vrf import SEED_BYTES, PrivateKey


class LogKeys:
    """The two private keys of a log, made from their seeds, and what follows from them."""

    def __init__(self, directory: str, seed: bytes, vrf_seed: bytes) -> None:
        self.vrf = PrivateKey(vrf_seed)
        self.signer = Signer(f"{directory}/{base64url(self.vrf.public)}", seed)
        self.vkey = self.signer.verifier.vkey

    def index_of(self, client_id: str) -> bytes:
        """Return the index under which the log has a client ID."""
        return self.vrf.index(client_id.encode())


def current() -> LogKeys | None:
    """Return the keys of this server's log; None where it has none."""
    if not settings.LOG_KEY:
        return None
    return _made(settings.DIRECTORY_NAME, settings.LOG_KEY, settings.LOG_VRF_KEY)


@lru_cache(maxsize=1)
def _made(directory: str, seed: str, vrf_seed: str) -> LogKeys:
    return LogKeys(directory, from_base64url(seed, SEED_BYTES), from_base64url(vrf_seed, SEED_BYTES))
