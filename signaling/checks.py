"""System checks of settings that clients feel: timeouts, limits, origins, their addresses, and the way to Redis."""

import ssl
from collections.abc import Iterable
from typing import Any, NamedTuple

from django.conf import settings
from django.core import checks

from pkd.keys import IDENTITY_CHARACTERS
from signaling.admission.client_ip import needs_header
from signaling.admission.origin_rules import example_of, refused_hosts
from signaling.delivery.redis_url import RedisUrl
from signaling.protocol.fields import MAX_FRAME_BYTES
from signaling.protocol.limits import Limits, Timeouts


class Least(NamedTuple):
    """The least value of a setting, and the consequence of a lower one for clients."""

    variable: str
    is_now: float
    least: float
    consequence: str


@checks.register("settings")
def check_timeouts(**_: Any) -> list[checks.CheckMessage]:
    """Warn of timeouts that are too short for clients, which know the protocol's times and not the settings."""
    timeouts: Timeouts = settings.TIMEOUTS
    least = (
        Least(
            "HEARTBEAT_TIMEOUT_SECONDS",
            timeouts.heartbeat_seconds,
            35,
            "clients send a heartbeat every 30 seconds, and are closed with 4408 before it is there",
        ),
        Least(
            "REGISTRATION_TIMEOUT_SECONDS",
            timeouts.registration_seconds,
            5,
            "a client on a slow network is closed with 4408 before its REGISTER is there",
        ),
        Least(
            "RING_TIMEOUT_SECONDS",
            timeouts.ring_seconds,
            10,
            "a call ends before anybody can answer it",
        ),
        Least(
            "HOLD_SECONDS",
            timeouts.hold_seconds,
            5,
            "a client that lost its connection waits a moment before it comes back, and finds its calls ended",
        ),
        Least(
            "HOLD_GOING_AWAY_SECONDS",
            timeouts.hold_going_away_seconds,
            2,
            "a page that reloads, or an app that changes networks, comes back and finds its calls ended",
        ),
        Least(
            "DRAIN_SECONDS",
            settings.DRAIN_SECONDS,
            2,
            "a server that stops cuts clients off before they have answered its close",
        ),
    )
    return _warnings(least, "signaling.W001")


@checks.register("settings")
def check_limits(**_: Any) -> list[checks.CheckMessage]:
    """Warn of limits with which no call, no key or no sign-in succeeds; 0 turns a limit off."""
    limits: Limits = settings.LIMITS
    least = (
        Least(
            "LIMIT_OUTBOUND_QUEUE_BYTES",
            limits.outbound_queue_bytes,
            2 * MAX_FRAME_BYTES,
            f"a single message may have {MAX_FRAME_BYTES} bytes, and closes its receiver with 4507",
        ),
        Least(
            "LIMIT_UNPROVED_BYTES",
            limits.unproved_bytes,
            1024 * 1024,
            "a few offers fill it, and while they ring other calls are refused with RATE_LIMITED",
        ),
        Least(
            "LIMIT_MESSAGE_BURST",
            limits.message_burst,
            30,
            "a client sends its candidates at once, and many of them are refused with RATE_LIMITED",
        ),
        Least(
            "LIMIT_PUBLIC_KEY_BYTES",
            limits.public_key_bytes,
            IDENTITY_CHARACTERS,
            f"a P-256 key, as clients publish it, has {IDENTITY_CHARACTERS} bytes and is refused",
        ),
        Least(
            "LIMIT_HTTP_BODY_BYTES",
            settings.LIMIT_HTTP_BODY_BYTES,
            64 * 1024,
            "the admin's forms, and the API's longest bodies, are answered with 413",
        ),
    )
    return _warnings((one for one in least if one.is_now), "signaling.W002")


def _warnings(least: Iterable[Least], number: str) -> list[checks.CheckMessage]:
    return [
        checks.Warning(
            f"{one.variable} is {one.is_now:.15g}: {one.consequence}.",
            hint=f"Set it to {one.least:.15g} or more, or remove it.",
            id=number,
        )
        for one in least
        if one.is_now < one.least
    ]


@checks.register("settings")
def check_hosts(**_: Any) -> list[checks.CheckMessage]:
    """Warn of hosts whose pages may connect to their own host and port alone, and not through every proxy."""
    schemes = {"http", "https"} if settings.DEBUG else {"https"}
    return [
        checks.Warning(
            f"ALLOWED_HOSTS has {entry}, but ALLOWED_ORIGINS has no origin of it: a page from there may connect to "
            "nothing but its own host and port, and only if the proxy in front leaves the Host header as it is.",
            hint=f"Add {example_of(entry)} to ALLOWED_ORIGINS, or take the host out if nobody opens pages there.",
            id="securecall.W008",
        )
        for entry in refused_hosts(settings.ALLOWED_HOSTS, settings.ALLOWED_ORIGINS, schemes)
    ]


@checks.register("settings")
def check_client_address(**_: Any) -> list[checks.CheckMessage]:
    """Refuse trusted proxies whose header nobody named: any that they only pass on can be invented."""
    if not needs_header():
        return []
    return [
        checks.Error(
            "TRUSTED_PROXIES names proxies of yours, but CLIENT_ADDRESS_HEADER does not say which header they set to "
            "the client's address: without it all clients count as one, and a header that is only passed on can be "
            "invented.",
            hint="Set CLIENT_ADDRESS_HEADER to x-forwarded-for (HAProxy, Caddy, AWS, Heroku), to x-real-ip where you "
            "let nginx set that one, or to your proxy's own; docs/proxies.md has a configuration for each.",
            id="securecall.E004",
        )
    ]


@checks.register("settings")
def check_redis(**_: Any) -> list[checks.CheckMessage]:
    """Refuse certificates of REDIS_URL that cannot be used, as every connect would fail."""
    if not settings.REDIS_URL:
        return []
    try:
        RedisUrl.parse(settings.REDIS_URL).tls_context()
    except OSError as error:
        reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        return [
            checks.Error(
                f"REDIS_URL names a certificate, a key or authorities that cannot be used: {reason}.",
                hint="See that the files that ssl_ca_certs, ssl_certfile and ssl_keyfile name are there, and belong to "
                "each other.",
                id="signaling.E001",
            )
        ]
    return []
