"""The bans in force, and whether one shuts out more than it is about."""

from collections.abc import Iterator
from itertools import product

from django.conf import settings
from django.db import DatabaseError

from bans import decisions, networks
from diagnostics.doctor.finding import Finding, ok, warning

SUBJECT = "bans"


def examine() -> Iterator[Finding]:
    """Count the bans, and look for trusted proxies among the banned networks; no address is named."""
    try:
        rows = decisions.in_force()
    except DatabaseError:
        # Its own examination says so.
        return
    banned = [networks.parse(row.network) for row in rows if row.network]
    yield ok(SUBJECT, f"{len(rows) - len(banned)} client IDs and {len(banned)} networks are banned now")
    pairs = product(banned, settings.TRUSTED_PROXIES)
    if any(one.version == proxy.version and one.overlaps(proxy) for one, proxy in pairs):
        yield warning(
            SUBJECT,
            "A banned network has proxies that TRUSTED_PROXIES names: if they do not say whose requests they pass on, "
            "nobody behind them connects. Look at the list of bans, and at doctor --url",
        )
