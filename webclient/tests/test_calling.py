"""Two people call each other on the page."""

import pytest
from playwright.async_api import expect

from webclient.tests.browsers import Visit
from webclient.tests.conftest import Meet, Site
from webclient.tests.gallery import Gallery
from webclient.tests.people import Person

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_two_people_see_and_hear_each_other(alice: Person, bob: Person) -> None:
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


async def test_call_is_declined(alice: Person, bob: Person, gallery: Gallery) -> None:
    await alice.calls(bob.id)
    await bob.rings(alice)

    await bob.clicks("Decline")

    await alice.is_told(f"{bob.id} declined the call.")
    await expect(alice.button("Call again")).to_be_visible()
    await expect(bob.ringing(alice)).to_be_hidden()
    await gallery.shows(alice, "declined")


async def test_call_is_cancelled_while_it_rings(alice: Person, bob: Person) -> None:
    await alice.calls(bob.id)
    await bob.rings(alice)

    await alice.clicks("Hang up")

    await bob.is_told(f"{alice.id} stopped calling.")
    await expect(bob.ringing(alice)).to_be_hidden()


async def test_call_to_somebody_who_is_away(alice: Person, gallery: Gallery) -> None:
    await alice.calls("nobody-of-this-name")

    await alice.is_told("nobody-of-this-name is not online. Try again later.")
    await gallery.draws(alice, "not-online")


async def test_nobody_answers(impatient_site: Site, meet: Meet, gallery: Gallery) -> None:
    alice, bob = await meet("alice", impatient_site.here), await meet("bob", impatient_site.there)
    await alice.calls(bob.id)
    await bob.rings(alice)

    await alice.is_told(f"{bob.id} did not answer.")
    await bob.is_told(f"You did not answer {alice.id}.")
    await gallery.draws(alice, "no-answer")


async def test_call_to_somebody_who_is_busy(memory_site: Site, meet: Meet, gallery: Gallery) -> None:
    alice, bob, carol = [await meet(name, memory_site.here) for name in ("alice", "bob", "carol")]
    await alice.talks_to(bob, "Audio call")

    await carol.calls(bob.id)

    await carol.is_told(f"{bob.id} is in another call.")
    await bob.is_told(f"{carol.id} called while you were in this call.")
    await gallery.draws(carol, "busy")
    await bob.clicks("Hang up")
    await alice.is_told(f"{bob.id} hung up.")


async def test_microphone_and_camera_can_be_switched_during_a_call(memory_site: Site, meet: Meet) -> None:
    alice, bob = await meet("alice", memory_site.here), await meet("bob", memory_site.here)
    await alice.talks_to(bob, "Audio call")
    await bob.hears_something()
    picture = bob.page.locator("#stage")
    await expect(picture).to_have_attribute("data-remote", "none")

    await alice.clicks("Mute")
    await expect(alice.button("Mute")).to_have_attribute("aria-pressed", "true")
    await bob.hears_nothing()
    await alice.clicks("Camera")
    await expect(picture).to_have_attribute("data-remote", "video")

    await alice.clicks("Camera")
    await expect(picture).to_have_attribute("data-remote", "none")
    await expect(bob.page.locator("#peer-state")).to_have_text(f"{alice.id} is muted and has the camera off.")
    await alice.clicks("Mute")
    await bob.hears_something()
    await bob.clicks("Hang up")
    await alice.is_told(f"{bob.id} hung up.")


async def test_picture_stays_when_tracks_of_an_earlier_call_fall_silent(memory_site: Site, meet: Meet) -> None:
    alice, bob = await meet("alice", memory_site.here), await meet("bob", memory_site.here)
    picture = bob.page.locator("#stage")
    await alice.talks_to(bob)
    await bob.page.evaluate("() => { window.earlier = document.getElementById('remote').srcObject.getTracks(); }")
    await alice.clicks("Hang up")
    await bob.is_told(f"{alice.id} hung up.")
    await alice.talks_to(bob)
    await expect(picture).to_have_attribute("data-remote", "video")

    await bob.page.evaluate("() => earlier.forEach((track) => track.dispatchEvent(new Event('mute')))")

    await expect(picture).to_have_attribute("data-remote", "video")
    await alice.clicks("Hang up")
    await bob.is_told(f"{alice.id} hung up.")


async def test_link_enters_and_calls_at_once(memory_site: Site, meet: Meet, visit: Visit) -> None:
    alice, bob = await meet("alice", memory_site.here), await visit("bob", memory_site.here)

    await bob.opens(f"/demo/?name={bob.id}&call={alice.id}")

    await alice.rings(bob)
    # A reload would enter as the same person, but not call again.
    await expect(bob.page).to_have_url(f"{bob.where.http_url}/demo/?name={bob.id}")
    await alice.clicks("Decline")


async def test_somebody_alone_calls_themselves_from_a_second_tab(memory_site: Site, meet: Meet) -> None:
    alice = await meet("alice", memory_site.here)

    async with alice.page.context.expect_page() as opening:
        await alice.page.get_by_role("link", name="Call yourself from a second tab").click()
    guest = Person(f"{alice.id}-guest", memory_site.here, await opening.value)

    await alice.rings(guest)
    await alice.clicks("Answer")
    await guest.sees(f"In a call with {alice.id}.")
    await alice.hears_something()
    assert guest.problems == []
    await guest.page.close()
    await alice.clicks("Hang up")
    await alice.is_told("You hung up.")
