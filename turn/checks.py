"""System checks for TURN settings that are well-formed and end or spoil calls all the same."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from django.conf import settings
from django.core import checks

from turn import provider
from turn.credentials import CLOUDFLARE, DEFAULT_PROVIDER, LAST_EXPIRY, METERED, STATIC, TurnSettings
from turn.urls import Objection, ServerUrl, fatal, unused


@checks.register("settings")
def check_urls(**_: Any) -> list[checks.CheckMessage]:
    """Report STUN and TURN URIs that browsers refuse or ignore; clients get them as they are."""
    errors = [
        checks.Error(f"{variable} has {found.sentence}", hint=found.advice, id="turn.E001")
        for variable, found in _objections(fatal)
    ]
    warnings = [
        checks.Warning(f"{variable} has {found.sentence}", hint=found.advice, id="turn.W001")
        for variable, found in _objections(unused)
    ]
    return [*errors, *warnings]


def _objections(objection: Callable[[ServerUrl], Objection | None]) -> Iterator[tuple[str, Objection]]:
    turn: TurnSettings = settings.TURN
    for variable, urls in (("STUN_URLS", turn.stun_urls), ("TURN_URLS", turn.urls)):
        # Many URIs of one port are one fault.
        found = dict.fromkeys(objection(ServerUrl.parse(url)) for url in urls)
        yield from ((variable, one) for one in found if one is not None)


@checks.register("settings")
def check_provider(**_: Any) -> list[checks.CheckMessage]:
    """Report a TURN_PROVIDER that cannot be loaded."""
    turn: TurnSettings = settings.TURN
    try:
        provider.load(turn.provider)
    except ImportError as error:
        return [
            checks.Error(
                f"TURN_PROVIDER names no class that can be imported: {error}.",
                hint=f"Write the dotted path of one, such as {DEFAULT_PROVIDER}, or leave TURN_PROVIDER out.",
                id="turn.E002",
            )
        ]
    return []


# What a provider needs besides TURN_SECRET: the field of the settings, and its variable.
NEEDS = {
    METERED: ("api_url", "TURN_API_URL", "https://APP.metered.live, with the name of your app"),
    CLOUDFLARE: ("key_id", "TURN_KEY_ID", "the ID of the TURN key whose API token is in TURN_SECRET"),
    STATIC: ("username", "TURN_USERNAME", "the name of the account whose password is in TURN_SECRET"),
}


@checks.register("settings")
def check_needs(**_: Any) -> list[checks.CheckMessage]:
    """Report what the provider needs and nobody set."""
    turn: TurnSettings = settings.TURN
    if not turn.secrets or turn.provider not in NEEDS:
        return []
    field, variable, value = NEEDS[turn.provider]
    if getattr(turn, field):
        return []
    return [
        checks.Error(f"{variable} is not set, and TURN_PROVIDER needs it.", hint=f"Set it to {value}.", id="turn.E003")
    ]


@checks.register("settings")
def check_expiry(**_: Any) -> list[checks.CheckMessage]:
    """Report that credentials expire early, as TURN servers know no time after LAST_EXPIRY."""
    turn: TurnSettings = settings.TURN
    if not turn.secrets or time.time() + turn.ttl_seconds <= LAST_EXPIRY:
        return []
    return [
        checks.Warning(
            "TURN credentials are good for less than TURN_TTL_SECONDS: all end on 2038-01-19 at 03:14:07 UTC, as "
            "coturn takes no later time.",
            hint="If that is years away, set the clock; if not, update SecureCall and the TURN server.",
            id="turn.W002",
        )
    ]
