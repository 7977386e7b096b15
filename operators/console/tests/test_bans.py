"""Bans as operators see them, and what they do."""

from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.contrib.admin.models import LogEntry
from django.test import AsyncClient
from django.utils import timezone

from bans.models import Ban
from operators.console.tests.conftest import VIEWING, Join, SignIn

pytestmark = pytest.mark.django_db(transaction=True)
on_memory_and_redis = pytest.mark.usefixtures("here")

LIST, DECIDE = "/admin/bans/ban/", "/admin/bans/ban/decide/"
BANNING = (*VIEWING, "view_ban", "decide_ban", "disconnect_client")
FOR_A_DAY = {"lasts": "86400", "reason": "spam"}
ADDRESS = "203.0.113.77"


async def post(browser: AsyncClient, path: str, **data: str) -> str:
    return (await browser.post(path, data, follow=True)).content.decode()


@on_memory_and_redis
async def test_client_id_is_banned_with_a_reason_and_closed(join: Join, sign_in: SignIn) -> None:
    alice = await (await join()).register("alice")
    told = await post(await sign_in(*BANNING), DECIDE, client_id="alice", **FOR_A_DAY)
    assert "Banned the client ID alice for 1 day." in told
    await alice.expects_close(4503)
    ban = await Ban.objects.aget()
    assert (ban.client_id, ban.who, ban.reason, ban.ends_at - ban.begins_at) == (
        *("alice", "olga", "spam"),
        timedelta(days=1),
    )
    entry = await LogEntry.objects.select_related("user").aget()
    assert (entry.user.username, entry.object_repr) == ("olga", "alice")
    assert entry.change_message == f"Banned until {ban.ends_at:%Y-%m-%d %H:%M:%S} UTC: spam"


@on_memory_and_redis
async def test_network_is_banned_and_its_address_is_in_no_log(
    join: Join, sign_in: SignIn, caplog: pytest.LogCaptureFixture
) -> None:
    mallory = await join(address=ADDRESS)
    browser = await sign_in(*BANNING)
    told = await post(browser, DECIDE, network="203.0.113.0/24", **FOR_A_DAY)
    assert "203.0.113.0/24" in told
    await mallory.expects_close(4503)
    ban, entry = await Ban.objects.aget(), await LogEntry.objects.aget()
    assert (entry.object_repr, entry.change_message) == (
        *(f"network {ban.pk}", f"Banned until {ban.ends_at:%Y-%m-%d %H:%M:%S} UTC: spam"),
    )
    assert "203.0.113" not in caplog.text


@on_memory_and_redis
async def test_ban_is_lifted_with_a_reason(join: Join, sign_in: SignIn) -> None:
    browser = await sign_in(*BANNING)
    await post(browser, DECIDE, client_id="alice", **FOR_A_DAY)
    ban = await Ban.objects.aget()
    lift = f"{LIST}{ban.pk}/lift/"
    assert f'href="{lift}"' in (await browser.get(LIST)).content.decode()
    searched = (await browser.get(f"{LIST}?q=ali&in_force=yes")).content.decode()
    assert f'href="{lift}?q=ali&amp;in_force=yes"' in searched
    assert "Give a reason first." in await post(browser, lift, reason="")
    lifted = await browser.post(f"{lift}?in_force=no", {"reason": "an error"})
    assert lifted["Location"] == f"{LIST}?in_force=no"
    assert "Lifted the ban of alice." in (await browser.get(lifted["Location"])).content.decode()
    await (await join()).register("alice")
    await ban.arefresh_from_db()
    assert ban.lifted_by == "olga"
    newest = await LogEntry.objects.afirst()
    assert newest is not None
    assert newest.change_message == "Lifted the ban: an error"
    assert "Nothing was done: the ban is not in force any more." in await post(browser, lift, reason="again")
    assert "lifted" in (await browser.get(f"{LIST}?in_force=no")).content.decode()
    assert "alice" not in (await browser.get(f"{LIST}?in_force=yes")).content.decode()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"client_id": "", "network": ""}, "Give a client ID or a network"),
        ({"client_id": "alice", "network": ADDRESS}, "Give a client ID or a network"),
        ({"client_id": "no such"}, "A client ID has 1 to 64"),
        ({"network": "0.0.0.0/0"}, "too wide to ban"),
        ({"client_id": "alice", "reason": ""}, "Give a reason first."),
        ({"client_id": "alice", "lasts": "7"}, "Select a valid choice"),
    ],
    ids=["none", "both", "client", "wide", "reason", "time"],
)
async def test_what_cannot_be_banned_is_explained(given: dict[str, str], sentence: str, sign_in: SignIn) -> None:
    assert sentence in await post(await sign_in(*BANNING), DECIDE, **{**FOR_A_DAY, **given})
    assert not await Ban.objects.aexists()


@pytest.mark.parametrize(
    "query", ["begins_at__year=0", "begins_at__year=10000", "ends_at__gte=9999-12-31T23:59:59-14:00", "who=a%00b"]
)
async def test_value_that_no_database_holds_leads_to_the_list(query: str, sign_in: SignIn) -> None:
    listed = await (await sign_in(*BANNING)).get(f"{LIST}?{query}", follow=True)
    assert listed.status_code == 200


@on_memory_and_redis
async def test_who_is_banned_already_is_not_banned_again(sign_in: SignIn) -> None:
    browser = await sign_in(*BANNING)
    for _ in range(2):
        told = await post(browser, DECIDE, client_id="alice", **FOR_A_DAY)
    assert "Nothing was done: banned already" in told
    assert await Ban.objects.acount() == 1


@on_memory_and_redis
@pytest.mark.parametrize("permissions", [(), ("view_ban",), ("decide_ban",)])
async def test_banning_takes_its_own_permission_and_that_to_see_bans(
    permissions: tuple[str, ...], join: Join, sign_in: SignIn
) -> None:
    alice = await (await join()).register("alice")
    ban = await Ban.objects.acreate(client_id="bob", ends_at=timezone.now() + timedelta(days=1), who="otto", reason="x")
    browser = await sign_in(*permissions)
    for path in (DECIDE, f"{LIST}{ban.pk}/lift/"):
        assert (await browser.get(path)).status_code == 403
        assert (await browser.post(path, {"client_id": "alice", **FOR_A_DAY})).status_code == 403
    listed = await browser.get(LIST)
    assert listed.status_code == (200 if permissions == ("view_ban",) else 403)
    assert DECIDE not in listed.content.decode()
    await alice.expects_nothing()


@on_memory_and_redis
async def test_presence_leads_to_the_form_for_its_client(join: Join, sign_in: SignIn) -> None:
    await (await join()).register("alice")
    browser = await sign_in(*BANNING)
    link = f"{DECIDE}?client_id=alice"
    assert f'href="{link}"' in (await browser.get("/admin/console/presence/")).content.decode()
    assert 'value="alice"' in (await browser.get(link)).content.decode()
    assert await sync_to_async(Ban.objects.count)() == 0
