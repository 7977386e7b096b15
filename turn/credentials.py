"""Mint time-limited TURN credentials from a shared secret (draft-uberti-behave-turn-rest-00)."""

import base64
import hmac
from dataclasses import dataclass
from functools import cache

DEFAULT_PROVIDER = "turn.providers.shared_secret.SharedSecret"
METERED = "turn.providers.metered.Metered"
CLOUDFLARE = "turn.providers.cloudflare.Cloudflare"
STATIC = "turn.providers.static.StaticList"
# What TURN_PROVIDER may say in place of a dotted path; the last one is a path of before.
PROVIDERS = {
    "hmac": DEFAULT_PROVIDER,
    "metered": METERED,
    "cloudflare": CLOUDFLARE,
    "static": STATIC,
    "turn.shared_secret.SharedSecret": DEFAULT_PROVIDER,
}
LEAST_TTL_SECONDS = 60
# Longer lived ones are as good as a password; and browsers' timers, which end at 24.8 days, have no use for them.
MOST_TTL_SECONDS = 30 * 24 * 60 * 60
# 2038-01-19T03:14:07Z: coturn refuses a later expiry.
LAST_EXPIRY = 2**31 - 1


@dataclass(frozen=True, slots=True)
class TurnSettings:
    """The settings of TURN and STUN servers; durations in seconds."""

    secrets: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    stun_urls: tuple[str, ...] = ()
    ttl_seconds: int = 3600
    provider: str = DEFAULT_PROVIDER
    # What some providers need besides.
    api_url: str = ""
    key_id: str = ""
    username: str = ""


@dataclass(frozen=True, slots=True)
class Credential:
    """A username with its expiry, and the password that proves it to the TURN server."""

    username: str
    password: str


def mint(secret: str, client_id: str, expires_at: int) -> Credential:
    """Mint a credential for `client_id` that is good until `expires_at` (unix seconds).

    The username is `<unix expiry>:<clientId>`, the password padded base64 of HMAC-SHA1 over it
    (draft-uberti-behave-turn-rest-00, section 2.2); coturn accepts no other digest.
    """
    username = f"{expires_at}:{client_id}"
    keyed = _keyed(secret).copy()
    keyed.update(username.encode())
    return Credential(username, base64.b64encode(keyed.digest()).decode())


def expiry_after(now: float, ttl_seconds: int) -> int:
    """Return `now` plus the lifetime, in unix seconds, but at most the last second that coturn accepts (in 2038)."""
    return min(int(now) + ttl_seconds, LAST_EXPIRY)


@cache
def _keyed(secret: str) -> hmac.HMAC:
    """Return an HMAC keyed with the secret, made once: OpenSSL spends more on finding the digest than on using it."""
    return hmac.new(secret.encode(), digestmod="sha1")
