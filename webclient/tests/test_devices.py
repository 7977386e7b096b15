"""Machines without a camera or a microphone, or whose owners give neither to the page."""

import pytest
from playwright.async_api import expect

from webclient.tests.browsers import Visit
from webclient.tests.conftest import Meet, Site
from webclient.tests.gallery import Gallery

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_without_a_camera_the_call_has_sound(memory_site: Site, visit: Visit, meet: Meet) -> None:
    alice = await (await visit("alice", memory_site.here, permissions=["microphone"])).enters()
    bob = await meet("bob", memory_site.here)

    await alice.talks_to(bob)

    await alice.is_told("No camera: the other person hears you, but does not see you.")
    await bob.hears_something()
    await expect(bob.page.locator("#stage")).to_have_attribute("data-remote", "none")


async def test_without_anything_one_can_still_see_and_hear(
    memory_site: Site, visit: Visit, meet: Meet, gallery: Gallery
) -> None:
    alice = await (await visit("alice", memory_site.here, permissions=["geolocation"])).enters()
    bob = await meet("bob", memory_site.here)

    await alice.talks_to(bob)

    await alice.is_told("No camera and no microphone: you can see and hear")
    await alice.hears_something()
    await expect(alice.page.locator("#stage")).to_have_attribute("data-remote", "video")
    await expect(alice.button("Mute")).to_be_disabled()
    await gallery.shows(alice, "without-microphone-and-camera")


# As when it is unplugged.
STOP = """
() => {
  const [microphone] = document.getElementById("self").srcObject.getAudioTracks();
  microphone.stop();
  microphone.dispatchEvent(new Event("ended"));
}
"""


async def test_microphone_that_ends_in_a_call_is_replaced(memory_site: Site, meet: Meet) -> None:
    alice, bob = await meet("alice", memory_site.here), await meet("bob", memory_site.here)
    await alice.talks_to(bob, "Audio call")
    await bob.hears_something()
    # The way on which both are told.
    await alice.sees("Your message")

    await alice.page.evaluate(STOP)

    await alice.is_told("Your microphone stopped, and another one took its place.")
    await bob.is_told(f"{alice.id}'s microphone works again.")
    await bob.hears_something()


async def test_microphone_that_ends_without_another_is_told(memory_site: Site, meet: Meet) -> None:
    alice, bob = await meet("alice", memory_site.here), await meet("bob", memory_site.here)
    await alice.calls(bob.id, "Audio call")
    await bob.rings(alice)
    await alice.page.evaluate(
        "() => { navigator.mediaDevices.getUserMedia = async () => { throw new Error('none'); }; }"
    )

    # Before there is a way on which Bob can be told.
    await alice.page.evaluate(STOP)
    await bob.clicks("Answer")

    await alice.is_told(f"Your microphone stopped, and there is no other: {bob.id} gets nothing from it any more.")
    await bob.is_told(f"{alice.id}'s microphone stopped.")
    await expect(alice.button("Mute")).to_be_disabled()
    await alice.page.evaluate("delete navigator.mediaDevices.getUserMedia")
