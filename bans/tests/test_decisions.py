from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from bans import decisions
from bans.decisions import MOST_SECONDS, Subject, checked_subject
from bans.models import Ban
from pkd.decisions import NothingToDoError

pytestmark = pytest.mark.django_db

ALICE, NETWORK = Subject(client_id="alice"), Subject(network="203.0.113.0/24")


def test_subject_is_a_client_id_or_a_network() -> None:
    assert checked_subject("alice", "") == ALICE
    assert checked_subject("", "203.0.113.9/24") == NETWORK


@pytest.mark.parametrize(
    ("client_id", "network"), [("", ""), ("alice", "203.0.113.9"), ("no such", ""), ("bob\n", ""), ("", "bob")]
)
def test_other_subjects_are_explained(client_id: str, network: str) -> None:
    with pytest.raises(ValueError, match=r"\w+.*\."):
        checked_subject(client_id, network)


@pytest.mark.parametrize("subject", [ALICE, NETWORK], ids=["client", "network"])
def test_ban_is_kept_with_who_until_when_and_why(subject: Subject) -> None:
    ban = decisions.ban(subject, 60, "olga", " spam ")
    assert (ban.client_id, ban.network, ban.who, ban.reason) == (*subject, "olga", "spam")
    assert ban.ends_at - ban.begins_at == timedelta(seconds=60)
    (row,) = decisions.in_force()
    assert (row.number, row.client_id, row.network, row.ends_at) == (ban.pk, *subject, ban.ends_at.timestamp())


def test_name_of_a_ban_has_no_address() -> None:
    assert str(decisions.ban(ALICE, 60, "olga", "spam")) == "alice"
    assert "203" not in str(decisions.ban(NETWORK, 60, "olga", "spam"))


def test_who_is_banned_is_not_banned_again_before_it_ends() -> None:
    ban = decisions.ban(ALICE, 60, "olga", "spam")
    with pytest.raises(NothingToDoError):
        decisions.ban(ALICE, 60, "olga", "spam")
    Ban.objects.filter(pk=ban.pk).update(ends_at=timezone.now())
    assert decisions.ban(ALICE, 60, "olga", "spam").pk != ban.pk


@pytest.mark.parametrize(("seconds", "reason"), [(0, "spam"), (MOST_SECONDS + 1, "spam"), (60, " "), (60, "x" * 501)])
def test_ban_takes_a_time_and_a_reason(seconds: int, reason: str) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        decisions.ban(ALICE, seconds, "olga", reason)
    assert not Ban.objects.exists()


def test_lifted_ban_says_by_whom_and_is_told_to_who_looks() -> None:
    ban = decisions.ban(ALICE, 60, "olga", "spam")
    Ban.objects.update(changed_at=timezone.now() - timedelta(hours=1))
    since = timezone.now()
    assert decisions.changed_since(since) == []
    lifted = decisions.lift(ban.pk, "otto")
    assert (lifted.lifted_by, lifted.is_in_force) == ("otto", False)
    assert decisions.in_force() == []
    assert [(row.client_id, row.is_lifted) for row in decisions.changed_since(since)] == [("alice", True)]
    with pytest.raises(NothingToDoError):
        decisions.lift(ban.pk, "otto")


def test_database_takes_no_ban_of_both_or_none() -> None:
    for client_id, network in (("", ""), ("alice", "203.0.113.0/24")):
        with pytest.raises(IntegrityError), transaction.atomic():
            Ban.objects.create(client_id=client_id, network=network, ends_at=timezone.now(), who="olga", reason="spam")
