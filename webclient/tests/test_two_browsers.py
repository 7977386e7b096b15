"""Chromium and Firefox call each other on the page."""

import pytest
import pytest_asyncio
from playwright.async_api import expect

from webclient.tests.conftest import Meet, Site
from webclient.tests.firefox_people import FirefoxPerson
from webclient.tests.gallery import OVERFLOWING, violations_in
from webclient.tests.people import Person
from webclient.tests.shape import CALL_CONTROLS, DESKTOP, NARROWEST, ON_ITS_SIDE, SHARE, outside

# The first of them starts two browsers and a server, and both encode video.
pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]


@pytest_asyncio.fixture(loop_scope="session")
async def alice(memory_site: Site, meet: Meet) -> Person:
    """Registered, in Chromium."""
    return await meet("alice", memory_site.here)


async def see_and_hear_each_other(fox: FirefoxPerson, alice: Person) -> None:
    for person, peer in ((fox, alice), (alice, fox)):
        await person.sees_picture()
        await person.hears_something()
        await person.sees("Directly to the other device")
        await person.sees(f"This call's encryption is signed by {peer.id}'s key.")


async def hear_each_other(fox: FirefoxPerson, alice: Person) -> None:
    for person in (fox, alice):
        await person.hears_something()


async def has_no_barriers_in_a_second_window(fox: FirefoxPerson) -> None:
    """Look at the page as it welcomes somebody, and as it is left for another window."""
    window = await fox.page.opens_another()
    await window.goto(f"{fox.where.http_url}/demo/")
    assert await violations_in(window) == []
    await window.goto(f"{fox.where.http_url}/demo/?name={fox.id}")
    await fox.sees("You are somewhere else now")
    assert await violations_in(fox.page) == []


async def fits_every_window(fox: FirefoxPerson) -> None:
    """Look at the page in a call, on a large screen and on the smallest phones."""
    await fox.page.set_viewport_size(DESKTOP)
    await fox.page.until(f"({SHARE})('#stage') > 0.65")
    for viewport in (NARROWEST, *ON_ITS_SIDE):
        await fox.page.set_viewport_size(viewport)
        assert await fox.page.evaluate(OVERFLOWING) == [], viewport
        assert await outside(fox.page, CALL_CONTROLS) == [], viewport
        assert await violations_in(fox.page) == [], viewport


async def test_firefox_calls_chromium(fox: FirefoxPerson, alice: Person) -> None:
    await fox.calls(alice.id)
    await alice.rings(fox)
    await expect(alice.ringing(fox)).to_contain_text("Video call")
    await alice.clicks("Answer")

    await see_and_hear_each_other(fox, alice)
    assert await violations_in(fox.page) == []
    await fits_every_window(fox)

    await fox.clicks("Hang up")
    await alice.is_told(f"{fox.id} hung up.")
    await fox.sees("You hung up.")

    await fox.calls(alice.id, "Audio call")
    await alice.rings(fox)
    await expect(alice.ringing(fox)).to_contain_text("Audio call")
    await alice.clicks("Answer")
    await hear_each_other(fox, alice)
    await fox.page.reload()
    await fox.sees(f"In a call with {alice.id}.")
    await hear_each_other(fox, alice)
    await fox.clicks("Hang up")
    await alice.is_told(f"{fox.id} hung up.")
    await has_no_barriers_in_a_second_window(fox)


@pytest.mark.long
async def test_chromium_calls_firefox(fox: FirefoxPerson, alice: Person) -> None:
    assert await violations_in(fox.page) == []
    await alice.calls(fox.id)
    await fox.rings(alice)
    assert await violations_in(fox.page) == []
    await fox.clicks("Answer")

    await see_and_hear_each_other(fox, alice)

    await alice.clicks("Hang up")
    await fox.sees(f"{alice.id} hung up.")

    await alice.talks_to(fox, "Audio call")
    await hear_each_other(fox, alice)
    await alice.clicks("Mute")
    await alice.page.reload()
    await alice.sees(f"In a call with {fox.id}.")
    # The page opened the microphone by itself: who was muted must not be heard for that.
    await expect(alice.button("Mute")).to_have_attribute("aria-pressed", "true")
    await alice.clicks("Mute")
    await hear_each_other(fox, alice)
    await alice.clicks("Hang up")
    await fox.sees(f"{alice.id} hung up.")
