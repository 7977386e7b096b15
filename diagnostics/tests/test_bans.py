from ipaddress import ip_network

import pytest
from pytest_django import Settings

from bans.decisions import Subject, ban
from diagnostics.doctor import bans
from diagnostics.outcome import Outcome

pytestmark = pytest.mark.django_db


def test_bans_are_counted_and_none_is_named() -> None:
    ban(Subject(client_id="alice"), 60, "olga", "spam")
    ban(Subject(network="203.0.113.0/24"), 60, "olga", "spam")
    (finding,) = bans.examine()
    assert (finding.outcome, finding.sentence) == (Outcome.OK, "1 client IDs and 1 networks are banned now")


def test_ban_of_the_own_proxies_is_a_warning(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = [ip_network("fd00::/8"), ip_network("10.0.0.0/8")]
    ban(Subject(network="10.1.0.0/16"), 60, "olga", "spam")
    _, warning = bans.examine()
    assert warning.outcome is Outcome.WARNING
    assert "10.1" not in warning.sentence
