"""Every state of the page, as people with and without a mouse, a large screen or good eyes meet it."""

import re

import pytest
from playwright.async_api import expect

from webclient.tests.browsers import Visit
from webclient.tests.conftest import Meet, Site
from webclient.tests.gallery import Gallery

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_page_looks_well_before_a_call(memory_site: Site, visit: Visit, gallery: Gallery) -> None:
    alice = await (await visit("dana", memory_site.here)).opens()
    await gallery.shows(alice, "welcome")

    await alice.page.get_by_label("Your name").fill("Dana Scully")
    await alice.clicks("Continue")
    await expect(alice.page.get_by_label("Your name")).to_have_accessible_description(re.compile("without spaces"))
    await gallery.shows(alice, "name-refused")

    await alice.enters()
    await gallery.shows(alice, "lobby")


async def test_page_looks_well_in_a_call(memory_site: Site, meet: Meet, gallery: Gallery) -> None:
    alice, bob = await meet("alice", memory_site.here), await meet("bob", memory_site.here)
    await alice.calls(bob.id)
    await bob.rings(alice)
    await gallery.shows(alice, "calling")
    await gallery.shows(bob, "incoming-call")

    await bob.clicks("Answer")
    await expect(alice.page.locator("#stage")).to_have_attribute("data-remote", "video")
    await alice.sees("Directly to the other device")
    await gallery.shows(alice, "call")

    await alice.clicks("Mute")
    await alice.clicks("Camera")
    await expect(bob.page.locator("#stage")).to_have_attribute("data-remote", "none")
    await bob.clicks("Camera")
    await alice.clicks("We compared it: it is the same")
    await expect(alice.page.locator("#stage")).to_have_attribute("data-remote", "none")
    await gallery.shows(alice, "call-without-pictures")


async def test_page_can_be_used_without_a_mouse(memory_site: Site, visit: Visit, meet: Meet) -> None:
    alice = await (await visit("alice", memory_site.here)).opens()
    bob = await meet("bob", memory_site.here)
    keyboard = alice.page.keyboard

    # The focus is where one has something to do: the name, whom to call, who calls, who hung up.
    await keyboard.type(alice.id)
    await keyboard.press("Enter")
    await alice.is_online()
    await keyboard.type(bob.id)
    await keyboard.press("Enter")
    await bob.rings(alice)
    await bob.page.keyboard.press("Escape")
    await alice.is_told(f"{bob.id} declined the call.")
    # What had the focus may be gone.
    await alice.button("Dismiss").press("Enter")
    await expect(alice.page.get_by_label("Their name")).to_be_focused()

    await bob.calls(alice.id, "Audio call")
    await alice.rings(bob)
    # Who was typing when it rang has not answered by it.
    await keyboard.press("Enter")
    await expect(alice.page.locator("#incoming-title")).to_be_focused()
    await keyboard.press("Tab")
    await expect(alice.button("Decline")).to_be_focused()
    await keyboard.press("Tab")
    await keyboard.press("Enter")
    await alice.sees(f"In a call with {bob.id}.")
    heading = alice.page.get_by_role("heading", name=bob.id)
    await expect(heading).to_be_focused()
    await expect(heading).to_have_accessible_description(f"In a call with {bob.id}.")
    await keyboard.press("Tab")
    await keyboard.press("Space")
    await expect(alice.button("Mute")).to_have_attribute("aria-pressed", "true")
    # Disabled while the camera opens.
    await keyboard.press("Tab")
    for is_on in ("true", "false"):
        await keyboard.press("Space")
        await expect(alice.button("Camera")).to_have_attribute("aria-pressed", is_on)
        await expect(alice.button("Camera")).to_be_enabled()
    await expect(alice.button("Camera")).to_be_focused()
