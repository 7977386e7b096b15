"""Bans by script."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client

from bans.models import Ban

pytestmark = pytest.mark.django_db

BANS, ALICE = "/api/bans/", "/api/clients/alice/ban/"
HOUR = {"seconds": 3600, "reason": "spam"}
NETWORK = {"network": "203.0.113.0/24", **HOUR}


@pytest.fixture
def banning(operator: User) -> None:
    """Allow the operator to ban."""
    operator.user_permissions.set(Permission.objects.filter(codename__in=["view_ban", "decide_ban"]))


def post(script: Client, path: str, **body: Any) -> Any:
    return script.post(path, body, content_type="application/json")


@pytest.mark.usefixtures("banning")
def test_client_id_is_banned_listed_and_lifted(api: Client) -> None:
    ban = post(api, ALICE, **HOUR).json()
    assert ban.items() >= {"clientId": "alice", "network": None, "who": "olga", "reason": "spam"}.items()
    assert api.get(BANS).json()["results"] == [ban]
    assert LogEntry.objects.get().object_repr == "alice"
    lifted = post(api, f"{BANS}{ban['id']}/lift/", reason="an error")
    assert (lifted.status_code, lifted.json()["id"]) == (200, ban["id"])
    assert api.get(BANS).json()["results"] == []
    assert Ban.objects.get().lifted_by == "olga"
    assert post(api, f"{BANS}{ban['id']}/lift/", reason="again").status_code == 409
    assert post(api, f"{BANS}{ban['id'] + 1}/lift/", reason="again").status_code == 404
    assert LogEntry.objects.count() == 2


@pytest.mark.usefixtures("banning")
def test_network_is_banned_in_its_one_spelling(api: Client) -> None:
    ban = post(api, BANS, network="2001:db8::7", seconds=60, reason="spam").json()
    assert (ban["clientId"], ban["network"]) == (None, "2001:db8::/64")
    response = post(api, BANS, network="2001:db8::8", seconds=60, reason="spam")
    assert (response.status_code, response.json()["detail"]) == (
        409,
        "Nothing was done: banned already; lift that ban first.",
    )


@pytest.mark.usefixtures("banning")
@pytest.mark.parametrize(
    ("change", "about"),
    [
        ({"network": "no such"}, "network: Write an address"),
        ({"network": "0.0.0.0/0"}, "network: This network is too wide"),
        ({"network": 7}, "network: Give an address"),
        ({"seconds": 0}, "seconds"),
        ({"seconds": 10**9}, "seconds"),
        ({"seconds": "60"}, "seconds"),
        ({"reason": " "}, "reason"),
    ],
    ids=["none", "wide", "number", "0", "long", "text", "reason"],
)
def test_what_is_wrong_is_named(api: Client, change: dict[str, Any], about: str) -> None:
    response = post(api, BANS, **{**NETWORK, **change})
    assert (response.status_code, about in response.json()["detail"]) == (400, True)
    assert not Ban.objects.exists()


def test_banning_takes_its_own_permission_and_that_to_see_bans(api: Client, operator: User) -> None:
    for given, may_see in (((), False), (("view_ban",), True), (("decide_ban",), False)):
        operator.user_permissions.set(Permission.objects.filter(codename__in=given))
        assert api.get(BANS).status_code == (200 if may_see else 403)
        assert post(api, BANS, **NETWORK).status_code == 403
        assert post(api, ALICE, **HOUR).status_code == 403
        assert post(api, f"{BANS}1/lift/", reason="an error").status_code == 403
