"""Presence and calls as operators see them, and what they do to them."""

import re
import time
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import AsyncClient

from operators.console.tests.conftest import OPERATING, VIEWING, Join, SignIn
from signaling.tests.people import Person

pytestmark = [pytest.mark.usefixtures("here"), pytest.mark.django_db(transaction=True)]

PRESENCE, CALLS = "/admin/console/presence/", "/admin/console/call/"
ADDRESS = "203.0.113.77"
REASON = {"reason": "a stolen phone"}


async def pair(join: Join) -> tuple[Person, Person]:
    return (
        await (await join(address=ADDRESS)).register("alice"),
        await (await join(address=ADDRESS)).register("bob_2"),
    )


async def talk(alice: Person, bob: Person) -> str:
    await alice.send("CALL_INITIATE", targetId="bob_2", sdpOffer="v=0 a secret offer")
    call_id: str = (await bob.expects("INCOMING_CALL"))["callId"]
    await alice.send("ICE_CANDIDATE", callId=call_id, candidate="candidate:1 192.0.2.1")
    await bob.expects("ICE_CANDIDATE")
    return call_id


async def page(browser: AsyncClient, path: str) -> str:
    response = await browser.get(path)
    assert response.status_code == 200, response
    return response.content.decode()


async def post(browser: AsyncClient, path: str, data: dict[str, Any]) -> str:
    return (await browser.post(path, data, follow=True)).content.decode()


# --- Seeing --------------------------------------------------------------------------------------------------


async def test_presence_shows_who_is_connected(join: Join, sign_in: SignIn) -> None:
    alice, bob = await pair(join)
    await talk(alice, bob)
    text = await page(await sign_in(*OPERATING), PRESENCE)
    assert "alice" in text
    assert "bob_2" in text
    assert f'<a href="{CALLS}?q=alice">1</a>' in text
    assert f'href="{PRESENCE}bob_5F2/act/"' in text


async def test_presence_is_searched(join: Join, sign_in: SignIn) -> None:
    await pair(join)
    text = await page(await sign_in(*VIEWING), f"{PRESENCE}?q=ALI")
    assert "alice" in text
    assert "bob_2" not in text


async def test_search_for_nobody_says_so_and_escapes_what_was_typed(sign_in: SignIn) -> None:
    text = await page(await sign_in(*VIEWING), f"{PRESENCE}?q=<script>")
    assert "No client whose ID contains “&lt;script&gt;” is connected." in text
    assert "<script>” " not in text


async def test_calls_show_state_and_age(join: Join, sign_in: SignIn) -> None:
    alice, bob = await pair(join)
    begin = time.monotonic()
    call_id = await talk(alice, bob)
    browser = await sign_in(*VIEWING)
    text = await page(browser, CALLS)
    assert call_id in text
    assert "<td>ringing</td>" in text
    (age,) = re.findall(r"<td>(\d+) s</td>", text)
    assert int(age) <= time.monotonic() - begin
    for name in ("alice", call_id, "ALI", call_id[2:9]):
        assert call_id in await page(browser, f"{CALLS}?q={name}")
    assert call_id not in await page(browser, f"{CALLS}?q=carol")


async def test_pages_hold_no_description_candidate_or_address(join: Join, sign_in: SignIn) -> None:
    alice, bob = await pair(join)
    await talk(alice, bob)
    browser = await sign_in(*OPERATING)
    for path in (PRESENCE, CALLS, "/admin/", f"{PRESENCE}alice/act/"):
        text = await page(browser, path)
        for secret in ("secret offer", "candidate:1", "192.0.2.1", ADDRESS):
            assert secret not in text


async def test_more_clients_than_a_page_holds_are_counted(
    join: Join, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("operators.console.admin.MOST_ROWS", 1)
    await pair(join)
    text = await page(await sign_in(*VIEWING), PRESENCE)
    assert "The first 1 of 2." in text
    assert "bob_2" not in text


# --- Who may what --------------------------------------------------------------------------------------------


async def test_stranger_is_asked_to_sign_in() -> None:
    for path in (PRESENCE, CALLS, f"{PRESENCE}alice/act/", f"{CALLS}a-call-of-somebody/act/"):
        response = await AsyncClient().get(path)
        assert response.status_code == 302
        assert response["Location"].startswith("/admin/login/")


async def test_staff_without_permission_sees_nothing(join: Join, sign_in: SignIn) -> None:
    await pair(join)
    browser = await sign_in()
    for path in (PRESENCE, CALLS, f"{PRESENCE}alice/act/", f"{CALLS}a-call-of-somebody/act/"):
        assert (await browser.get(path)).status_code == 403
    assert PRESENCE not in await page(browser, "/admin/")


@pytest.mark.parametrize("permissions", [VIEWING, ("disconnect_client", "end_call")])
async def test_viewing_and_acting_are_permissions_of_their_own(
    permissions: tuple[str, ...], join: Join, sign_in: SignIn
) -> None:
    alice, bob = await pair(join)
    call_id = await talk(alice, bob)
    browser = await sign_in(*permissions)
    for path in (f"{PRESENCE}alice/act/", f"{CALLS}{call_id}/act/"):
        assert (await browser.get(path)).status_code == 403
        assert (await browser.post(path, REASON)).status_code == 403
    for person in (alice, bob):
        await person.expects_nothing()
    if permissions == VIEWING:
        assert "/act/" not in await page(browser, PRESENCE) + await page(browser, CALLS)


# --- Acting --------------------------------------------------------------------------------------------------


async def test_disconnecting_closes_the_connection_and_is_logged(join: Join, sign_in: SignIn) -> None:
    alice, bob = await pair(join)
    call_id = await talk(alice, bob)
    browser = await sign_in(*OPERATING)
    told = await post(browser, f"{PRESENCE}bob_5F2/act/", REASON)
    assert "Disconnected bob_2." in told
    await bob.expects_close(4503)
    await alice.expects_nothing()
    entry = await LogEntry.objects.select_related("user", "content_type").aget()
    assert (entry.user.username, entry.object_id, entry.content_type.model) == ("olga", "bob_2", "presence")  # type: ignore[union-attr]
    assert "a stolen phone" in entry.change_message
    assert call_id not in entry.change_message
    link = f"/admin/{entry.get_admin_url().removeprefix('/admin/')}"  # type: ignore[union-attr]
    assert (await browser.get(link))["Location"] == f"{PRESENCE}?q=bob_2"


async def test_ending_a_call_tells_both_sides_and_is_logged(join: Join, sign_in: SignIn) -> None:
    alice, bob = await pair(join)
    call_id = await talk(alice, bob)
    told = await post(await sign_in(*OPERATING), f"{CALLS}{call_id.replace('_', '_5F')}/act/", REASON)
    assert f"Ended the call {call_id}." in told
    for person in (alice, bob):
        await person.expects("CALL_ENDED", callId=call_id, reason="operator")
    entry = await LogEntry.objects.aget()
    assert entry.object_id == call_id
    # Who called whom is never written down.
    assert "alice" not in f"{entry.object_repr}{entry.change_message}"


@pytest.mark.parametrize("path", [PRESENCE, CALLS])
async def test_act_returns_to_the_search_it_came_from(path: str, join: Join, sign_in: SignIn) -> None:
    await talk(*await pair(join))
    browser = await sign_in(*OPERATING)
    text = await page(browser, f"{path}?q=Bob")
    (link,) = set(re.findall(rf'href="({path}[^"]+/act/\?q=Bob)"', text))
    assert (await browser.post(link, REASON))["Location"] == f"{path}?q=Bob"
    asked = await page(browser, f"{path}nobody/act/?q=Bob")
    assert f'href="{path}?q=Bob" class="button cancel-link"' in asked


async def test_acting_takes_a_reason(join: Join, sign_in: SignIn) -> None:
    alice, _ = await pair(join)
    browser = await sign_in(*OPERATING)
    for reason in ("", "   ", "x" * 501):
        await post(browser, f"{PRESENCE}alice/act/", {"reason": reason})
    assert "Nothing was done yet." in await post(browser, f"{PRESENCE}alice/act/", {"reason": ""})
    await alice.expects_nothing()
    assert not await LogEntry.objects.aexists()


async def test_acting_on_what_is_gone_says_so_and_is_not_logged(sign_in: SignIn) -> None:
    browser = await sign_in(*OPERATING)
    assert "carol is not connected" in await post(browser, f"{PRESENCE}carol/act/", REASON)
    assert "no such call any more" in await post(browser, f"{CALLS}a-call-of-nobody/act/", REASON)
    assert not await LogEntry.objects.aexists()
