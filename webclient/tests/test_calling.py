"""Two people call each other on the page."""

import pytest
from playwright.async_api import expect

from webclient.tests.conftest import Site, Visit
from webclient.tests.gallery import Gallery
from webclient.tests.people import Person

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_two_people_see_and_hear_each_other(site: Site, visit: Visit) -> None:
    alice, bob = await (await visit("alice", site.here)).enters(), await (await visit("bob", site.there)).enters()

    await alice.talks_to(bob)

    for person, peer in ((alice, bob), (bob, alice)):
        await person.hears_something()
        await expect(person.page.locator("#stage")).to_have_attribute("data-remote", "video")
        await expect(person.page).to_have_title(f"{peer.id} – SecureCall")
        await person.sees("Directly to the other device")
        await person.sees(f"This call's encryption is signed by {peer.id}'s key.")
    assert await alice.safety_number() == await bob.safety_number()

    await alice.clicks("Hang up")
    await alice.is_told("You hung up.")
    await bob.is_told(f"{alice.id} hung up.")
    await expect(bob.page.get_by_label("Their name")).to_be_focused()


async def test_mute_is_silence_on_the_other_side(site: Site, visit: Visit) -> None:
    alice, bob = await (await visit("alice", site.here)).enters(), await (await visit("bob", site.there)).enters()
    await alice.talks_to(bob, "Audio call")
    await bob.hears_something()

    await alice.clicks("Mute")

    await expect(alice.button("Mute")).to_have_attribute("aria-pressed", "true")
    await bob.hears_nothing()
    await alice.clicks("Mute")
    await bob.hears_something()


async def test_camera_can_be_switched_on_in_an_audio_call_and_off_again(site: Site, visit: Visit) -> None:
    alice, bob = await (await visit("alice", site.here)).enters(), await (await visit("bob", site.there)).enters()
    await alice.talks_to(bob, "Audio call")
    picture = bob.page.locator("#stage")
    await expect(picture).to_have_attribute("data-remote", "none")

    await alice.clicks("Camera")
    await expect(picture).to_have_attribute("data-remote", "video")

    await alice.clicks("Camera")
    await expect(picture).to_have_attribute("data-remote", "none")
    await bob.hears_something()


async def test_call_is_declined(site: Site, visit: Visit, gallery: Gallery) -> None:
    alice, bob = await (await visit("alice", site.here)).enters(), await (await visit("bob", site.there)).enters()
    await alice.calls(bob.id)
    await bob.rings(alice)

    await bob.clicks("Decline")

    await alice.is_told(f"{bob.id} declined the call.")
    await expect(alice.button("Call again")).to_be_visible()
    await expect(bob.ringing(alice)).to_be_hidden()
    await gallery.shows(alice, "declined")


async def test_call_is_cancelled_while_it_rings(site: Site, visit: Visit) -> None:
    alice, bob = await (await visit("alice", site.here)).enters(), await (await visit("bob", site.there)).enters()
    await alice.calls(bob.id)
    await bob.rings(alice)

    await alice.clicks("Hang up")

    await bob.is_told(f"{alice.id} stopped calling.")
    await expect(bob.ringing(alice)).to_be_hidden()


async def test_call_to_somebody_who_is_away(site: Site, visit: Visit, gallery: Gallery) -> None:
    alice = await (await visit("alice", site.here)).enters()

    await alice.calls("nobody-of-this-name")

    await alice.is_told("nobody-of-this-name is not online. Try again later.")
    await gallery.shows(alice, "not-online")


async def test_call_to_somebody_who_is_busy(site: Site, visit: Visit, gallery: Gallery) -> None:
    alice, bob = await (await visit("alice", site.here)).enters(), await (await visit("bob", site.there)).enters()
    carol = await (await visit("carol", site.there)).enters()
    await alice.talks_to(bob, "Audio call")

    await carol.calls(bob.id)

    await carol.is_told(f"{bob.id} is in another call.")
    await bob.is_told(f"{carol.id} called while you were in this call.")
    await gallery.shows(carol, "busy")


async def test_nobody_answers(impatient_site: Site, visit: Visit, gallery: Gallery) -> None:
    alice = await (await visit("alice", impatient_site.here)).enters()
    bob = await (await visit("bob", impatient_site.there)).enters()
    await alice.calls(bob.id)
    await bob.rings(alice)

    await alice.is_told(f"{bob.id} did not answer.")
    await bob.is_told(f"You did not answer {alice.id}.")
    await gallery.shows(alice, "no-answer")


async def test_link_enters_and_calls_at_once(site: Site, visit: Visit) -> None:
    alice, bob = await (await visit("alice", site.here)).enters(), await visit("bob", site.there)

    await bob.opens(f"/demo/?name={bob.id}&call={alice.id}")

    await alice.rings(bob)
    # A reload would enter as the same person, but not call again.
    await expect(bob.page).to_have_url(f"{bob.where.http_url}/demo/?name={bob.id}")


async def test_somebody_alone_calls_themselves_from_a_second_tab(memory_site: Site, visit: Visit) -> None:
    alice = await (await visit("alice", memory_site.here)).enters()

    async with alice.page.context.expect_page() as opening:
        await alice.page.get_by_role("link", name="Call yourself from a second tab").click()
    guest = Person(f"{alice.id}-guest", memory_site.here, await opening.value)

    await alice.rings(guest)
    await alice.clicks("Answer")
    await guest.sees(f"In a call with {alice.id}.")
    await alice.hears_something()
    assert guest.problems == []
