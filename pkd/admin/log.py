"""The admin's log: what operators did, to what, and why."""

from typing import TypeAlias

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.db.models import Model

# As requests have one. Nobody who is anonymous comes so far: permissions are asked before.
Operator: TypeAlias = AbstractUser | AnonymousUser


def note(operator: Operator, about: Model, sentence: str) -> None:
    """Add an entry to the admin's log: the operator changed `about`, as the sentence says."""
    LogEntry.objects.log_actions(str(operator.pk), [about], CHANGE, sentence, single_object=True)
