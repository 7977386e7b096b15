"""The admin in a real browser, as an operator walks through it, under the content security policy."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from pkd.tests.samples import KEYS
from tests.support.browser import open_page
from tests.support.people import Person, frame
from tests.support.servers import ROOT, RunningServer, database_template, environment, server

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Every page, for whoever may do everything; those with scripts of Django's own among them.
PAGES = (
    "/admin/pkd/publickey/",
    "/admin/pkd/publickey/?q=alice",
    "/admin/auth/user/",
    "/admin/auth/user/add/",
    "/admin/auth/user/1/change/",
    "/admin/auth/user/1/history/",
    "/admin/auth/group/add/",
    "/admin/authtoken/tokenproxy/add/",
    "/admin/otp_totp/totpdevice/1/change/",
    "/admin/otp_static/staticdevice/1/change/",
    "/admin/password_change/",
)

# Keys of which a browser's parser could lose something.
READ_BY_BROWSERS = (
    *("PEM", "PEM of Windows", "PEM of an old Mac", "16,384 bytes", "line ends at the ends"),
    *("every control character but one", "a byte order mark", "markup"),
)
# Its own line ends break it, and so does the edge of the page.
# What is cut off or has to be scrolled to is no part of a list at a glance.
LIST_FITS = (
    "table => table.getBoundingClientRect().right <= document.querySelector('.results').getBoundingClientRect().right"
)
FITS = "pre => pre.scrollWidth <= pre.clientWidth && pre.getBoundingClientRect().right <= window.innerWidth"


@dataclass
class Site:
    """A server with an administrator."""

    running: RunningServer
    password: str
    backup_codes: list[str]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    database = Path(shutil.copy(database_template(), tmp_path_factory.mktemp("admin") / "db.sqlite3"))
    env = {
        "DATABASE_URL": f"sqlite:///{database}",
        "DEBUG": "1",
        "ADMIN_REQUIRE_2FA": "1",
        "LIMIT_SIGN_IN_FAILURES": "2",
        # More pages than anybody opens in a minute, each with its static files.
        "LIMIT_HTTP_REQUESTS_PER_IP_PER_MINUTE": "0",
    }
    command = [sys.executable, "manage.py", "createdevadmin"]
    variables = environment(database, env)
    created = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, env=variables).stdout
    password = re.search(r"password (\S+)", created)
    assert password is not None
    with server(env=env) as running:
        yield Site(running, password[1], re.findall(r"^  ([a-z2-7]{8})$", created, re.MULTILINE))


async def sign_in(page: Page, site: Site, code: str) -> None:
    await page.goto(f"{site.running.http_url}/admin/")
    await page.get_by_label("Username").fill("admin")
    await page.get_by_label("Password").fill(site.password)
    await page.get_by_label("Code").fill(code)
    await page.get_by_role("button", name="Log in").click()


async def test_operator_walks_through_the_admin_without_a_violation(site: Site, chromium: Browser) -> None:
    async with Person(site.running.ws_url, "alice-of-the-browser-test") as alice:
        await alice.registers()
        await alice.send("PKD_REGISTER", clientId=alice.id, publicKey="a key " + "k" * 200)
        await alice.expects("PKD_RESULT")
    async with open_page(chromium) as page:
        await sign_in(page, site, site.backup_codes.pop())
        await expect(page.get_by_role("heading", name="Site administration")).to_be_visible()
        for path in PAGES:
            response = await page.goto(f"{site.running.http_url}{path}")
            assert response is not None
            assert response.status == 200, path
            assert "default-src 'self'" in response.headers["content-security-policy"]
            await page.wait_for_load_state("networkidle")
        await page.goto(f"{site.running.http_url}/admin/pkd/publickey/")
        for width, columns in ((1280, ["State", "Fingerprint", "Last change (UTC)"]), (360, ["State"])):
            await page.set_viewport_size({"width": width, "height": 740})
            for column in columns:
                await expect(page.get_by_role("columnheader", name=column)).to_be_visible()
            assert await page.locator("#result_list").evaluate(LIST_FITS), width
        await page.set_viewport_size({"width": 1280, "height": 740})
        await page.get_by_role("link", name="alice-of-the-browser-test").click()
        await expect(page.get_by_role("heading", name="History")).to_be_visible()
        await page.get_by_role("button", name="Log out").click()
        await expect(page.get_by_text("Thanks for spending")).to_be_visible()


async def test_pages_hold_keys_character_for_character(site: Site, chromium: Browser) -> None:
    async with open_page(chromium) as page:
        await sign_in(page, site, site.backup_codes.pop())
        await expect(page.get_by_role("heading", name="Site administration")).to_be_visible()
        for number, name in enumerate(READ_BY_BROWSERS):
            async with Person(site.running.ws_url, f"key-{number}") as owner:
                await owner.registers()
                await owner.send_raw(frame("PKD_REGISTER", {"clientId": owner.id, "publicKey": KEYS[name]}))
                await owner.expects("PKD_RESULT")
        await page.goto(f"{site.running.http_url}/admin/pkd/publickey/?q=key-")
        links = [page.get_by_role("link", name=f"key-{number}", exact=True) for number in range(len(READ_BY_BROWSERS))]
        places = [await link.get_attribute("href") for link in links]
        for name, place in zip(READ_BY_BROWSERS, places, strict=True):
            await page.goto(f"{site.running.http_url}{place}")
            shown = page.locator("pre.public-key")
            assert await shown.text_content() == KEYS[name], name
            for width in (1280, 360):
                await page.set_viewport_size({"width": width, "height": 740})
                assert await shown.evaluate(FITS), (name, width)


async def test_sign_in_and_lockout_fit_a_phone(site: Site, chromium: Browser) -> None:
    # The browser itself writes that the last answer was an error.
    async with open_page(chromium, expected=("status of 429",), viewport={"width": 360, "height": 740}) as page:
        for _ in range(2):
            await sign_in(page, site, "000000")
        await expect(page.get_by_text("Wait 15 minutes")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        await page.get_by_role("link", name="sign in again").click()
        await expect(page.get_by_label("Code")).to_be_visible()
        # The text may be there before the style.
        await page.wait_for_load_state()
        assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
