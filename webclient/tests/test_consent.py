"""A person says yes or no to one call, however long the browser asks for the microphone meanwhile."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.support.people import Person as Caller
from tests.support.people import new_call_id
from webclient.tests.browsers import called, check, new_page
from webclient.tests.conftest import Meet, Site
from webclient.tests.library.signer import Signer
from webclient.tests.people import PATIENCE_SECONDS, Person

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Runs before the page's own scripts: while `isHeld`, the browser asks and asks, until `release()`.
HOLD = """
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
window.isHeld = false;
window.held = [];
window.streams = [];
navigator.mediaDevices.getUserMedia = async (constraints) => {
  if (isHeld) await new Promise((resolve) => { held.push(resolve); });
  const stream = await open(constraints);
  streams.push(stream);
  return stream;
};
window.release = () => {
  isHeld = false;
  for (const resolve of held.splice(0)) resolve();
};
"""
GIVEN_BACK = "streams.length === %d && streams.at(-1).getTracks().every(({ readyState }) => readyState === 'ended')"
MAKE_OFFER = """async () => {
  const rtc = new RTCPeerConnection();
  for (const kind of ["audio", "video"]) rtc.addTransceiver(kind);
  const { sdp } = await rtc.createOffer();
  rtc.close();
  return sdp;
}"""

Arrive = Callable[[str], Any]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def holding(chromium: Browser, memory_site: Site) -> AsyncIterator[Person]:
    """A person whose browser asks before it gives the microphone or the camera, if it is told to."""
    person = Person(called("bob"), memory_site.here, await new_page(chromium))
    await person.page.add_init_script(HOLD)
    await person.opens()
    yield person
    await person.page.context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def bob(holding: Person) -> AsyncIterator[Person]:
    """His page is loaded anew for each test."""
    yield await holding.enters_anew()
    check([holding])


@pytest_asyncio.fixture(loop_scope="session")
async def arrives(memory_site: Site) -> AsyncIterator[Arrive]:
    """Registers people who know only the protocol."""
    async with AsyncExitStack() as stack:

        async def arrive(name: str) -> Caller:
            caller = Caller(memory_site.here.ws_url, f"{name}-{secrets.token_hex(3)}")
            await stack.enter_async_context(caller)
            return await caller.registers()

        yield arrive


async def rings(caller: Caller, bob: Person) -> str:
    """Call Bob, with what another browser would send, until he sees who calls."""
    call_id = new_call_id()
    offer = await bob.page.evaluate(MAKE_OFFER)
    await caller.send("CALL_INITIATE", targetId=bob.id, sdpOffer=offer, callId=call_id)
    await expect(bob.page.get_by_role("alertdialog", name=f"{caller.id} is calling")).to_be_visible()
    return call_id


async def gives_up(caller: Caller, call_id: str, bob: Person) -> None:
    """End the call, until Bob sees that it is over."""
    await caller.send("CALL_END", callId=call_id)
    await expect(bob.page.get_by_role("alertdialog", name=f"{caller.id} is calling")).to_be_hidden()


async def until(bob: Person, condition: str) -> None:
    """Wait for a JavaScript expression to be true in his page, whose policy forbids Playwright's own waiting."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        await bob.page.evaluate(f"""new Promise((resolve) => {{
          const look = () => {{ if ({condition}) resolve(); else setTimeout(look, 20); }};
          look();
        }})""")


async def holds(bob: Person) -> None:
    await bob.page.evaluate("() => { isHeld = true; }")


async def asked(bob: Person) -> None:
    """Wait until the browser asks Bob for something."""
    await until(bob, "held.length > 0")


async def is_declined(caller: Caller, call_id: str, bob: Person) -> None:
    """Nothing came of the call until Bob declined it, which he still can."""
    await bob.clicks("Decline")
    await caller.expects("CALL_REJECTED", callId=call_id)


async def test_answer_is_for_the_caller_who_was_answered(bob: Person, arrives: Arrive) -> None:
    alice, mallory = await arrives("alice"), await arrives("mallory")
    await holds(bob)
    first = await rings(alice, bob)
    await bob.clicks("Answer")
    await asked(bob)
    await gives_up(alice, first, bob)
    second = await rings(mallory, bob)
    await bob.page.evaluate("release()")
    await until(bob, GIVEN_BACK % 1)
    await is_declined(mallory, second, bob)


async def test_next_caller_can_be_answered_while_the_browser_still_asks(bob: Person, arrives: Arrive) -> None:
    alice, carol = await arrives("alice"), await arrives("carol")
    await holds(bob)
    first = await rings(alice, bob)
    await bob.clicks("Answer")
    await expect(bob.button("Answer")).to_be_disabled()
    await asked(bob)
    await gives_up(alice, first, bob)
    second = await rings(carol, bob)
    await bob.clicks("Audio only")
    await until(bob, "held.length === 2")
    await bob.page.evaluate("release()")
    await carol.expects("CALL_ACCEPTED", callId=second)
    # What was opened for the one is given back, what was opened for the other is not.
    await bob.page.wait_for_function(
        "() => streams.length === 2 && streams.filter(({ active }) => active).length === 1"
    )
    await bob.clicks("Hang up")
    await until(bob, "streams.every(({ active }) => !active)")


async def test_answer_while_the_browser_asks_for_another_call_of_ones_own(bob: Person, arrives: Arrive) -> None:
    alice, carol = await arrives("alice"), await arrives("carol")
    await holds(bob)
    await bob.calls(carol.id)
    await asked(bob)
    call_id = await rings(alice, bob)
    await bob.clicks("Answer")
    await until(bob, "held.length === 2")
    await bob.page.evaluate("release()")
    await alice.expects("CALL_ACCEPTED", callId=call_id)
    await carol.expects_nothing_else()
    await bob.clicks("Hang up")
    await until(bob, "streams.every(({ active }) => !active)")


async def test_name_that_was_left_opens_nothing(bob: Person, arrives: Arrive) -> None:
    carol = await arrives("carol")
    await holds(bob)
    await bob.calls(carol.id)
    await asked(bob)
    await bob.clicks("Use another name")
    await bob.page.evaluate("release()")
    await until(bob, GIVEN_BACK % 1)
    await carol.expects_nothing_else()


@pytest.mark.parametrize("button", ["Answer", "Audio only", "Decline"])
async def test_button_that_was_pressed_for_another_call_does_nothing(button: str, bob: Person, arrives: Arrive) -> None:
    alice, mallory = await arrives("alice"), await arrives("mallory")
    first = await rings(alice, bob)
    await bob.button(button).hover()
    await bob.page.mouse.down()
    await gives_up(alice, first, bob)
    second = await rings(mallory, bob)
    await bob.page.mouse.up()
    # Both buttons can be pressed, and nobody has heard of it.
    await mallory.expects_nothing_else()
    await expect(bob.button("Answer")).to_be_enabled()
    await is_declined(mallory, second, bob)


async def test_key_that_was_pressed_for_another_call_does_nothing(bob: Person, arrives: Arrive) -> None:
    alice, mallory = await arrives("alice"), await arrives("mallory")
    first = await rings(alice, bob)
    await bob.button("Answer").focus()
    await bob.page.keyboard.down("Space")
    await gives_up(alice, first, bob)
    second = await rings(mallory, bob)
    await expect(bob.page.locator("#incoming-title")).to_be_focused()
    await bob.page.keyboard.up("Space")
    await mallory.expects_nothing_else()
    await is_declined(mallory, second, bob)


async def test_camera_is_for_the_call_in_which_it_was_switched_on(bob: Person, memory_site: Site, meet: Meet) -> None:
    alice, carol = await meet("alice", memory_site.here), await meet("carol", memory_site.here)
    await alice.talks_to(bob, "Audio call")
    await holds(bob)
    await bob.clicks("Camera")
    await asked(bob)
    await alice.clicks("Hang up")
    await bob.is_told(f"{alice.id} hung up.")
    await bob.page.evaluate("() => { isHeld = false; }")
    await carol.talks_to(bob, "Audio call")
    await expect(bob.button("Camera")).to_be_enabled()
    await bob.page.evaluate("release()")
    await until(bob, GIVEN_BACK % 3)
    await expect(bob.button("Camera")).to_have_attribute("aria-pressed", "false")
    sent = "peerConnections.at(-1).getSenders().filter(({ track }) => track?.kind === 'video').length"
    assert await bob.page.evaluate(sent) == 0
    await carol.hears_something()
    await carol.clicks("Hang up")
    await bob.is_told(f"{carol.id} hung up.")


async def test_key_is_accepted_for_the_person_for_whom_it_was_ticked(bob: Person, memory_site: Site) -> None:
    """Two people come with one new key, perhaps because somebody pretends to be both."""
    async with AsyncExitStack() as stack:
        sams = [await stack.enter_async_context(Signer(memory_site.here.ws_url, name)) for name in ("sam", "sue")]
        for sam in sams:
            await sam.registers()
            await sam.publishes()
            await is_declined(sam, await rings(sam, bob), bob)
        new = Signer(memory_site.here.ws_url, "mallory")
        for sam in sams:
            sam.public_key = new.public_key
            await sam.publishes()
            await sam.send("HEARTBEAT")
            await sam.expects("HEARTBEAT_ACK")
            call_id = await rings(sam, bob)
            await bob.clicks("Answer")
            sure = bob.page.get_by_label(f"I have compared the safety number with {sam.id}")
            await expect(sure).to_be_visible()
            await expect(sure).not_to_be_checked()
            await sure.check()
            await sam.send("CALL_END", callId=call_id)
            await expect(sure).to_be_hidden()


# Making a safety number takes 5,200 hashes; none of them is done while `isHeld`.
HOLD_SAFETY_NUMBERS = """() => {
  const digest = crypto.subtle.digest.bind(crypto.subtle);
  crypto.subtle.digest = async (name, data) => {
    if (isHeld && name === "SHA-512") await new Promise((resolve) => { held.push(resolve); });
    return digest(name, data);
  };
  isHeld = true;
}"""


async def test_safety_number_is_that_of_the_key_that_is_shown(bob: Person, memory_site: Site) -> None:
    async with Signer(memory_site.here.ws_url, "sam") as sam:
        await sam.registers()
        await sam.publishes()
        await is_declined(sam, await rings(sam, bob), bob)
        sam.new_key()
        await sam.publishes()
        await rings(sam, bob)
        await bob.clicks("Answer")
        second = await bob.safety_number()
        await bob.page.evaluate(HOLD_SAFETY_NUMBERS)
        sam.new_key()
        await sam.send("PKD_REGISTER", clientId=sam.id, publicKey=sam.public_key)
        while (await sam.next_message())["type"] != "PKD_RESULT":
            continue
        # By now there is a third key; it is shown in place of the one that was to be accepted.
        sure = bob.page.get_by_label(f"I have compared the safety number with {sam.id}")
        await sure.check()
        await bob.clicks("Accept the new key")
        await expect(sure).not_to_be_checked()
        await expect(bob.page.locator("#safety")).to_be_hidden()
        await bob.page.evaluate("release()")
        assert await bob.safety_number() != second
        await bob.clicks("Hang up")
