"""What makes calls comfortable: devices and screens, who is muted, messages, and what is asked of the browser."""

import pytest
from playwright.async_api import expect

from webclient.tests.conftest import Meet, Site
from webclient.tests.firefox_people import FirefoxPerson
from webclient.tests.gallery import Gallery, violations_in
from webclient.tests.people import Person
from webclient.tests.shape import share

pytestmark = pytest.mark.asyncio(loop_scope="session")

# What is sent, as the call knows it.
SENT = "peerConnections.at(-1).getSenders().map(({ track }) => track).find((track) => track?.kind === '%s')"
IS_OPEN = "document.getElementById('preview').srcObject?.getTracks().some(({ readyState }) => readyState === 'live')"
# A headless browser has no display to show.
DRAW_SCREEN = """
() => {
  navigator.mediaDevices.getDisplayMedia = async () => {
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("2d");
    setInterval(() => context.fillRect(Math.random() * 300, 0, 9, 9), 50);
    window.screenTrack = canvas.captureStream(10).getVideoTracks()[0];
    return new MediaStream([screenTrack]);
  };
}
"""
# Nor one to keep on.
KEEP_LOCKS = """
() => {
  window.locks = [];
  navigator.wakeLock.request = async (type) => {
    const lock = { type, released: false, release() { this.released = true; } };
    locks.push(lock);
    return lock;
  };
}
"""


async def test_devices_are_tried_before_a_call(memory_site: Site, meet: Meet, gallery: Gallery) -> None:
    alice = await meet("alice", memory_site.here)
    await alice.clicks("Microphone, camera and speaker")
    dialog = alice.page.get_by_role("dialog", name="Microphone, camera and speaker")
    await expect(dialog.locator("#preview")).to_be_visible()
    microphones = dialog.get_by_label("Microphone", exact=True)
    await expect(microphones.get_by_role("option")).not_to_have_count(1)
    await microphones.select_option(index=2)
    await expect(microphones).not_to_have_value("")
    chosen = await microphones.input_value()
    await gallery.shows(alice, "devices")
    assert await alice.page.evaluate(IS_OPEN)
    # The fake microphone beeps.
    await expect(dialog.get_by_role("meter")).not_to_have_js_property("value", 0)
    await alice.clicks("Done")
    await expect(dialog).to_be_hidden()
    assert not await alice.page.evaluate(IS_OPEN)
    assert chosen in str(await alice.page.evaluate("localStorage.getItem('devices')"))
    await alice.page.evaluate("localStorage.removeItem('devices')")


async def test_microphone_is_changed_in_a_call_and_stays_muted(memory_site: Site, meet: Meet, gallery: Gallery) -> None:
    alice, bob = await meet("alice", memory_site.here), await meet("bob", memory_site.here)
    await alice.talks_to(bob)
    await alice.clicks("Mute")
    await expect(bob.page.locator("#peer-state")).to_have_text(f"{alice.id} is muted.")
    await alice.clicks("Devices")
    microphones = alice.page.get_by_label("Microphone", exact=True)
    await microphones.select_option(index=1)
    await expect(microphones).not_to_have_value("")
    chosen = await microphones.input_value()
    await alice.page.wait_for_function(f"(id) => {SENT % 'audio'}.getSettings().deviceId === id", arg=chosen)
    await alice.clicks("Done")
    assert await alice.page.evaluate(f"{SENT % 'audio'}.enabled") is False
    await gallery.shows(bob, "call-with-somebody-muted")
    await alice.clicks("Mute")
    await expect(bob.page.locator("#peer-state")).to_be_empty()
    await bob.hears_something()
    await alice.clicks("Hang up")
    await alice.page.evaluate("localStorage.removeItem('devices')")


async def test_devices_stand_in_the_way_of_no_other_screen(memory_site: Site, meet: Meet) -> None:
    alice, bob = await meet("alice", memory_site.here), await meet("bob", memory_site.here)
    dialog = alice.page.get_by_role("dialog", name="Microphone, camera and speaker")
    await alice.clicks("Microphone, camera and speaker")
    await bob.calls(alice.id)
    await alice.rings(bob)
    await alice.clicks("Answer")
    await alice.sees(f"In a call with {bob.id}.")
    await expect(dialog).to_be_hidden()
    # The preview is given back, and not what the call sends.
    assert await alice.page.evaluate(f"{SENT % 'video'}.readyState") == "live"

    await alice.clicks("Devices")
    await bob.clicks("Hang up")
    await alice.is_told(f"{bob.id} hung up.")
    await expect(dialog).to_be_hidden()
    assert not await alice.page.evaluate(IS_OPEN)


async def test_screen_is_shown_in_place_of_the_camera(memory_site: Site, meet: Meet) -> None:
    alice, bob = await meet("alice", memory_site.here), await meet("bob", memory_site.here)
    await alice.talks_to(bob)
    await alice.page.evaluate(DRAW_SCREEN)
    await alice.clicks("Share screen")
    await expect(alice.button("Share screen")).to_have_attribute("aria-pressed", "true")
    await expect(alice.button("Camera")).to_be_disabled()
    await expect(bob.page.locator("#peer-state")).to_have_text(f"{alice.id} shows a screen.")
    await expect(bob.page.locator("#remote")).to_have_css("object-fit", "contain")
    # The person stops it in the browser.
    await alice.page.evaluate("() => { screenTrack.stop(); screenTrack.dispatchEvent(new Event('ended')); }")
    await expect(alice.button("Share screen")).to_have_attribute("aria-pressed", "false")
    await expect(alice.button("Camera")).to_have_attribute("aria-pressed", "true")
    await expect(bob.page.locator("#peer-state")).to_be_empty()
    await expect(bob.page.locator("#stage")).to_have_attribute("data-remote", "video")
    await alice.clicks("Hang up")


async def test_camera_that_is_gone_after_a_screen_is_told(memory_site: Site, meet: Meet) -> None:
    alice, bob = await meet("alice", memory_site.here), await meet("bob", memory_site.here)
    await alice.talks_to(bob)
    await alice.page.evaluate(DRAW_SCREEN)
    await alice.clicks("Share screen")
    await expect(bob.page.locator("#peer-state")).to_have_text(f"{alice.id} shows a screen.")
    await alice.page.evaluate("""() => {
      navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("unplugged", "NotFoundError"); };
    }""")
    await alice.clicks("Share screen")
    await alice.is_told("No camera. This device has none.")
    await expect(bob.page.locator("#peer-state")).to_have_text(f"{alice.id} has the camera off.")
    await expect(bob.page.locator("#stage")).to_have_attribute("data-remote", "none")
    await alice.page.evaluate("delete navigator.mediaDevices.getUserMedia")
    await alice.clicks("Hang up")


# While the browser asks, until `release()`.
HOLD_CAMERA = """
() => {
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (constraints) => {
    const stream = await open(constraints);
    [window.camera] = stream.getVideoTracks();
    await new Promise((resolve) => { window.release = resolve; });
    return stream;
  };
}
"""


async def test_camera_that_comes_late_does_not_take_the_place_of_a_screen(memory_site: Site, meet: Meet) -> None:
    alice, bob = await meet("alice", memory_site.here), await meet("bob", memory_site.here)
    await alice.talks_to(bob, "Audio call")
    await alice.page.evaluate(DRAW_SCREEN)
    await alice.page.evaluate(HOLD_CAMERA)
    await alice.clicks("Camera")
    await alice.page.wait_for_function("() => window.release")
    await alice.clicks("Share screen")
    await expect(bob.page.locator("#peer-state")).to_have_text(f"{alice.id} shows a screen.")
    await alice.page.evaluate("release()")
    await alice.page.wait_for_function("() => camera.readyState === 'ended'")
    assert await alice.page.evaluate(f"{SENT % 'video'} === screenTrack")
    await alice.page.evaluate("delete navigator.mediaDevices.getUserMedia")
    await alice.clicks("Hang up")


async def test_camera_that_is_switched_on_after_a_screen_is_not_called_missing(memory_site: Site, meet: Meet) -> None:
    alice, bob = await meet("alice", memory_site.here), await meet("bob", memory_site.here)
    await alice.talks_to(bob)
    await alice.page.evaluate(DRAW_SCREEN)
    await alice.clicks("Share screen")
    await expect(alice.button("Share screen")).to_have_attribute("aria-pressed", "true")
    await alice.page.evaluate(HOLD_CAMERA)
    await alice.clicks("Share screen")
    await alice.page.wait_for_function("() => window.release")
    await alice.page.evaluate("delete navigator.mediaDevices.getUserMedia")
    await alice.clicks("Camera")
    await expect(alice.button("Camera")).to_have_attribute("aria-pressed", "true")
    await alice.page.evaluate("release()")
    await alice.page.wait_for_function("() => camera.readyState === 'ended'")
    assert await alice.page.evaluate(f"{SENT % 'video'}.readyState") == "live"
    await expect(alice.page.locator("#notice-text")).to_be_empty()
    await alice.clicks("Hang up")


async def test_messages_are_shown_as_text_and_forgotten_with_the_call(
    memory_site: Site, meet: Meet, gallery: Gallery
) -> None:
    alice, bob = await meet("alice", memory_site.here), await meet("bob", memory_site.here)
    await alice.talks_to(bob, "Audio call")
    said = bob.page.get_by_role("log", name="Messages").locator("p")
    await alice.page.get_by_label("Your message").fill("<b>hello</b>")
    await alice.clicks("Send")
    await expect(said).to_have_text([f"{alice.id} <b>hello</b>"])
    await bob.page.get_by_label("Your message").fill("good day")
    await bob.page.keyboard.press("Enter")
    await expect(said).to_have_text([f"{alice.id} <b>hello</b>", "You good day"])
    await gallery.shows(alice, "call-with-messages")
    await alice.page.get_by_label("Your message").fill("for nobody else")
    await alice.clicks("Hang up")
    await bob.is_told(f"{alice.id} hung up.")
    await alice.talks_to(bob, "Audio call")
    await expect(bob.page.get_by_label("Your message")).to_be_visible()
    await expect(said).to_have_count(0)
    await expect(alice.page.get_by_label("Your message")).to_have_value("")
    await alice.clicks("Hang up")


async def test_message_that_nobody_sees_is_told(memory_site: Site, meet: Meet) -> None:
    alice, bob = await meet("alice", memory_site.here), await meet("bob", memory_site.here)
    await alice.talks_to(bob, "Audio call")
    await alice.sees("Your message")
    await bob.page.get_by_label("Your message").fill("hello")
    await bob.clicks("Send")
    await alice.sees(f"{bob.id} hello")
    await alice.sees_no_more(f"{bob.id} wrote to you.")

    await alice.clicks("Details")
    await bob.page.get_by_label("Your message").fill("are you there?")
    await bob.clicks("Send")
    await alice.is_told(f"{bob.id} wrote to you.")
    await alice.clicks("Read it")
    await alice.sees(f"{bob.id} are you there?")
    await expect(alice.page.get_by_label("Your message")).to_be_focused()
    await alice.sees_no_more(f"{bob.id} wrote to you.")
    await alice.clicks("Hang up")
    await alice.page.evaluate("localStorage.removeItem('panel')")


async def test_screen_stays_on_and_the_picture_may_be_large(memory_site: Site, meet: Meet) -> None:
    alice, bob = await meet("alice", memory_site.here), await meet("bob", memory_site.here)
    await alice.page.evaluate(KEEP_LOCKS)
    await alice.talks_to(bob)
    await alice.page.wait_for_function("() => locks.length === 1 && !locks[0].released")
    await expect(alice.button("Picture in picture")).to_be_enabled()
    await alice.clicks("Picture in picture")
    await alice.page.wait_for_function("() => document.pictureInPictureElement?.id === 'remote'")
    await alice.clicks("Picture in picture")
    await alice.page.wait_for_function("() => !document.pictureInPictureElement")
    await alice.clicks("Full screen")
    await alice.page.wait_for_function("() => document.fullscreenElement")
    panel = alice.page.get_by_role("region", name="Details of the call")
    await expect(panel).to_be_hidden()
    assert await share(alice.page, "#stage") > 0.99
    # Everything that a call needs is in it, and the way out.
    await alice.clicks("Details")
    await alice.clicks("Full screen")
    await alice.page.wait_for_function("() => !document.fullscreenElement")
    await expect(panel).to_be_visible()
    await alice.clicks("Full screen")
    await alice.page.wait_for_function("() => document.fullscreenElement")
    await alice.clicks("Hang up")
    await alice.page.wait_for_function("() => locks.length === 1 && locks[0].released && !document.fullscreenElement")
    await alice.page.evaluate("delete navigator.wakeLock.request")


async def test_comfort_in_firefox(fox: FirefoxPerson, memory_site: Site, meet: Meet) -> None:
    alice: Person = await meet("alice", memory_site.here)
    await fox.clicks("Microphone, camera and speaker")
    await fox.page.until(IS_OPEN)
    assert await violations_in(fox.page) == []
    await fox.clicks("Done")
    await fox.page.until(f"!{IS_OPEN}")
    await fox.calls(alice.id, "Audio call")
    await alice.rings(fox)
    await alice.clicks("Answer")
    # Firefox does little else while a button is pressed, half a minute beside busy loops: too long to find a way.
    await alice.sees(f"In a call with {fox.id}.")
    await fox.clicks("Mute")
    await expect(alice.page.locator("#peer-state")).to_have_text(f"{fox.id} is muted.")
    await alice.page.get_by_label("Your message").fill("hello")
    await alice.clicks("Send")
    await fox.sees(f"{alice.id} hello")
    await fox.page.evaluate(DRAW_SCREEN)
    await fox.clicks("Share screen")
    await expect(alice.page.locator("#peer-state")).to_have_text(f"{fox.id} is muted and shows a screen.")
    assert await violations_in(fox.page) == []
    await fox.clicks("Share screen")
    await expect(alice.page.locator("#peer-state")).to_have_text(f"{fox.id} is muted.")
    await fox.clicks("Hang up")
    await alice.is_told(f"{fox.id} hung up.")
