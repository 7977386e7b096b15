"""Ban a client ID or a network, and lift a ban: the admin's pages and the API do both by these functions alone."""

from asgiref.sync import async_to_sync
from django.db import transaction

from bans import decisions
from bans.decisions import Subject
from bans.models import Ban
from operators.acts import Permission
from pkd.admin.log import Operator, note
from pkd.decisions import checked_reason
from signaling import operations

TO_BAN = Permission("bans.view_ban", "bans.decide_ban")


def ban(operator: Operator, subject: Subject, seconds: int, reason: str) -> Ban:
    """Ban a client ID or a network, log it without an address, and have every process close what it is about.

    Raises what `decisions.ban` does.
    """
    with transaction.atomic():
        decided = decisions.ban(subject, seconds, operator.get_username(), reason)
        until = f"{decided.ends_at:%Y-%m-%d %H:%M:%S} UTC"
        note(operator, decided, f"Banned until {until}: {decided.reason}")
    async_to_sync(operations.note_ban)(decisions.row_of(decided))
    return decided


def lift(operator: Operator, number: int, reason: str) -> Ban:
    """Lift a ban, log it, and tell every process.

    Raises `NothingToDoError` for a ban that is not in force, `Ban.DoesNotExist`, and `ValueError` without a reason.
    """
    reason = checked_reason(reason)
    with transaction.atomic():
        lifted = decisions.lift(number, operator.get_username())
        note(operator, lifted, f"Lifted the ban: {reason}")
    async_to_sync(operations.note_ban)(decisions.row_of(lifted))
    return lifted
