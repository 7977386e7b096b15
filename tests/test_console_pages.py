"""The operators' console in a browser, at one process, while clients are connected to another."""

import asyncio
import os
import re
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack

import pytest
from playwright.async_api import expect

from tests.conftest import SHARED
from tests.support.office import Office, open_office
from tests.support.people import Person
from tests.support.servers import server
from tests.support.services import RedisServer
from webclient.tests.browsers import Visit, called
from webclient.tests.firefox import Firefox
from webclient.tests.gallery import IS_DRAWN, Gallery, violations_in
from webclient.tests.people import Person as Reader

PRESENCE, CALLS = "/admin/console/presence/", "/admin/console/call/"
# The first is for who is not signed in; those behind are ours, then a list and a form of Django's own.
SIGN_IN = "/admin/login/"
IN_FIREFOX = (
    *("/admin/?refresh=off", PRESENCE, CALLS, "/admin/pkd/publickey/import/"),
    *("/admin/auth/user/", "/admin/auth/user/add/"),
)
NAMES = ("ada", "ben", "cleo", "dora", "emil", "fritz", "gina", "hugo")
DASHBOARD = re.compile(
    r"Registered clients\s+9\b.*Calls ringing\s+1\b.*Calls active\s+1\b.*CALL_NOT_FOUND.*All 2", re.DOTALL
)
# In a picture the charts have something to show.
HISTORY_SECONDS = 240 if IS_DRAWN else 0

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120 + HISTORY_SECONDS)]


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory, redis_database: Callable[[], str]) -> Iterator[Office]:
    """Two processes on Redis."""
    env, session = open_office(tmp_path_factory.mktemp("console"))
    env = SHARED | env | {"REDIS_URL": redis_database()}
    with server(env=env) as desk, server("uvicorn", env=env) as door:
        yield Office(desk, door, session)


async def reader_at(office: Office, visit: Visit) -> Reader:
    """An operator's browser."""
    reader = await visit("olga", office.desk)
    await reader.page.context.add_cookies([{"name": "sessionid", "value": office.session, "url": office.desk.http_url}])
    return reader


async def people(stack: AsyncExitStack, office: Office, *names: str) -> list[Person]:
    """Connect people at the door."""
    return [
        await (await stack.enter_async_context(Person(office.door.ws_url, called(name)))).registers() for name in names
    ]


async def acts(reader: Reader, row: str, verb: str) -> None:
    """Press the verb in a row, give a reason, and confirm."""
    # The sidebar, which comes last, moves what is pressed.
    await reader.page.wait_for_load_state()
    await reader.page.get_by_role("row").filter(has_text=row).get_by_role("link", name=verb).click()
    # A page that asks for none says what it is instead.
    await expect(reader.page.locator("#content")).to_contain_text("Reason")
    await reader.page.get_by_label("Reason").fill("The phone was stolen.")
    await reader.page.get_by_role("button", name=verb).click()


async def test_client_of_another_process_is_seen_and_disconnected(
    office: Office, visit: Visit, gallery: Gallery
) -> None:
    async with AsyncExitStack() as stack:
        alice, bob, *_ = await people(stack, office, *NAMES)
        call_id = await alice.talks_to(bob)
        olga = await (await reader_at(office, visit)).opens(PRESENCE)
        await gallery.shows(olga, "admin-presence")
        await olga.page.get_by_label("Search").fill(bob.id[:-1].upper())
        await olga.page.get_by_role("button", name="Search").click()
        await expect(olga.page.get_by_role("row").filter(has_text=bob.id)).to_contain_text("1")
        await expect(olga.page.get_by_role("row").filter(has_text=alice.id)).to_have_count(0)
        await acts(olga, bob.id, "Disconnect")
        await olga.sees(f"Disconnected {bob.id}.")
        await bob.expects_close(4503, "disconnected by operator")
        # As after any close by the server, its calls wait for it.
        back = await stack.enter_async_context(Person(office.desk.ws_url, bob.id))
        await back.registers()
        await alice.reaches(back, call_id)
        await olga.opens("/admin/")
        await olga.page.get_by_role("link", name=bob.id).click()
        await olga.sees("1 in all.")


async def test_call_of_another_process_is_seen_and_ended(office: Office, visit: Visit, gallery: Gallery) -> None:
    async with AsyncExitStack() as stack:
        ada, ben, cleo, dora, *_ = await people(stack, office, *NAMES)
        call_id = await ada.talks_to(ben)
        await cleo.rings(dora)
        olga = await (await reader_at(office, visit)).opens(CALLS)
        await gallery.shows(olga, "admin-calls")
        row = olga.page.get_by_role("row").filter(has_text=call_id)
        for text in (ada.id, ben.id, "active"):
            await expect(row).to_contain_text(text)
        await acts(olga, call_id, "End")
        await olga.sees(f"Ended the call {call_id}.")
        for person in (ada, ben):
            assert await person.expects("CALL_ENDED") == {"callId": call_id, "reason": "operator"}
        await expect(row.get_by_role("link", name="End")).to_have_count(0)


async def test_dashboard_adds_up_the_processes_and_refreshes_itself(
    office: Office, visit: Visit, gallery: Gallery
) -> None:
    async with AsyncExitStack() as stack:
        *callers, last = await people(stack, office, *NAMES)
        await talk_for(HISTORY_SECONDS, [*callers, last])
        await callers[0].talks_to(callers[1])
        await callers[2].rings(callers[3])
        await last.send("CALL_END", callId="no-call-of-this-name")
        await last.expects_error("CALL_NOT_FOUND", "CALL_END", "no-call-of-this-name")
        here = await stack.enter_async_context(Person(office.desk.ws_url, called("ida")))
        await here.registers()
        olga = await (await reader_at(office, visit)).opens("/admin/")
        await expect(olga.page.locator("meta[http-equiv=refresh]")).to_have_attribute("content", "15")
        await olga.page.get_by_role("link", name="Stop refreshing").click()
        await expect(olga.page.locator("meta[http-equiv=refresh]")).to_have_count(0)
        # The other process is shown as of its last lease.
        figures = olga.page.locator(".console")
        async with asyncio.timeout(30):
            while not DASHBOARD.search(await figures.inner_text()):
                await asyncio.sleep(0.5)
                await olga.page.reload()
        await expect(olga.page.get_by_role("alert")).to_have_count(0)
        await gallery.shows(olga, "admin-dashboard")


async def test_pages_have_no_barriers_in_firefox(office: Office, firefox: Firefox) -> None:
    page = await firefox.new_page()
    found = {}
    for path in (SIGN_IN, *IN_FIREFOX):
        await page.goto(f"{office.desk.http_url}{path}")
        found[path] = await violations_in(page)
        await page.evaluate(f"(document.cookie = 'sessionid={office.session}; path=/') && null")
    assert {path: barriers for path, barriers in found.items() if barriers} == {}
    await page.close()


async def talk_for(seconds: float, talkers: list[Person]) -> None:
    """Send something, sometimes something wrong, until the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for person in talkers[: secrets.randbelow(len(talkers)) + 1]:
            await person.send("HEARTBEAT")
            await person.expects("HEARTBEAT_ACK")
        caller, callee, *_ = talkers
        call_id = await caller.talks_to(callee)
        for _ in range(secrets.randbelow(8)):
            await caller.reaches(callee, call_id)
        await caller.send("CALL_END", callId=call_id)
        await callee.expects("CALL_ENDED")
        await caller.send("CALL_END", callId=call_id)
        await caller.expects("ERROR")
        talkers = [*talkers[1:], caller]
        await asyncio.sleep(2)


async def test_console_says_what_is_down(
    own_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory, visit: Visit, gallery: Gallery
) -> None:
    env, session = open_office(tmp_path_factory.mktemp("down"))
    env |= {"REDIS_URL": own_redis.url}
    with ExitStack() as servers:
        desk, door = (servers.enter_context(server(kind, env=env)) for kind in ("uvicorn", "ours"))
        office = Office(desk, door, session)
        async with AsyncExitStack() as stack:
            (alice,) = await people(stack, office, "alice")
            here = await stack.enter_async_context(Person(desk.ws_url, called("bob")))
            await here.registers()
            olga = await (await reader_at(office, visit)).opens(PRESENCE)
            await olga.sees(alice.id)
            os.kill(door.process.pid, signal.SIGKILL)
            await asyncio.to_thread(door.process.wait)
            await olga.opens(PRESENCE)
            await olga.sees("does not answer; 1 client registered there is not shown.")
            await olga.sees(here.id)
            own_redis.stop()
            await olga.opens("/admin/?refresh=off")
            for alarm in ("Redis unreachable", "TURN: no secret"):
                await expect(olga.page.get_by_role("alert").filter(has_text=alarm)).to_be_visible()
            await gallery.shows(olga, "admin-dashboard-without-redis")
            await olga.opens(CALLS)
            await olga.sees("Redis is away")
            await olga.opens(PRESENCE)
            await acts(olga, here.id, "Disconnect")
            await here.expects_close(4503)
            await olga.sees(f"Disconnected {here.id}.")
            # Before the server, of which it would ask what is still to be loaded.
            await olga.page.close()
