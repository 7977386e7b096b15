"""Ban a client ID or a network for a time, lift a ban, and read what a process has to know."""

from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from bans import models, networks
from bans.models import Ban
from bans.table import Row
from pkd.decisions import NothingToDoError, checked_reason
from pkd.keys import ClientId

MOST_SECONDS = 366 * 24 * 60 * 60


class Subject(NamedTuple):
    """A client ID or a network, as text; the other one is empty."""

    client_id: str = ""
    network: str = ""


def checked_subject(client_id: str, network: str) -> Subject:
    """Return the one of the two that is given, a network in its one spelling.

    Raises `ValueError` for both or none and for what is no client ID, and its `networks.BadNetworkError`.
    """
    if bool(client_id) == bool(network):
        raise ValueError("Give a client ID or a network, one of the two.")
    if network:
        return Subject(network=str(networks.parse(network)))
    try:
        return Subject(client_id=msgspec.convert(client_id, ClientId))
    except msgspec.ValidationError:
        raise ValueError("A client ID has 1 to 64 letters, digits, hyphens or underscores.") from None


def ban(subject: Subject, seconds: int, operator: str, reason: str) -> Ban:
    """Ban a client ID or a network for so many seconds.

    Raises `NothingToDoError` where it is banned already, and `ValueError` without a reason of up to 500 characters and
    for a time that is none or longer than `MOST_SECONDS`.
    """
    reason = checked_reason(reason)
    if not 1 <= seconds <= MOST_SECONDS:
        raise ValueError
    now = timezone.now()
    with transaction.atomic():
        if Ban.objects.filter(models.in_force(), **subject._asdict()).exists():
            raise NothingToDoError("banned already; lift that ban first")
        ends_at = now + timedelta(seconds=seconds)
        return Ban.objects.create(
            **subject._asdict(), begins_at=now, changed_at=now, ends_at=ends_at, who=operator, reason=reason
        )


def lift(number: int, operator: str) -> Ban:
    """Lift a ban; raises `NothingToDoError` for one that has ended or was lifted, and `Ban.DoesNotExist`."""
    with transaction.atomic():
        found = Ban.objects.select_for_update().get(pk=number)
        if not found.is_in_force:
            raise NothingToDoError("not in force any more")
        found.lifted_at = found.changed_at = timezone.now()
        found.lifted_by = operator
        found.save()
    return found


def row_of(ban: Ban) -> Row:
    """Return what a process has to know of a ban."""
    return Row(ban.pk, ban.client_id, ban.network, ban.ends_at.timestamp(), is_lifted=ban.lifted_at is not None)


def in_force() -> list[Row]:
    """Return the bans that count now."""
    return _rows(Ban.objects.filter(models.in_force()))


def changed_since(moment: datetime) -> list[Row]:
    """Return the bans that were decided or lifted since `moment`."""
    return _rows(Ban.objects.filter(changed_at__gte=moment))


def _rows(found: QuerySet[Ban]) -> list[Row]:
    return [row_of(ban) for ban in found.only("client_id", "network", "ends_at", "lifted_at")]
