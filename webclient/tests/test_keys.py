"""The identity of the other person."""

import pytest
from playwright.async_api import expect

from webclient.tests.browsers import Visit
from webclient.tests.conftest import Meet, Site
from webclient.tests.gallery import Gallery

pytestmark = pytest.mark.asyncio(loop_scope="session")

# The panel scrolls for itself.
IS_NUMBER_IN_VIEW = """
() => {
  const [number, panel] = ["safety-groups", "panel"].map((id) => document.getElementById(id).getBoundingClientRect());
  return number.top >= panel.top && number.bottom <= panel.bottom;
}
"""

# Media queries are looked at before the first.
TWO_FRAMES = "() => new Promise((seen) => requestAnimationFrame(() => requestAnimationFrame(seen)))"


async def test_changed_key_is_shown_until_it_is_accepted(
    memory_site: Site, meet: Meet, visit: Visit, gallery: Gallery
) -> None:
    alice = await meet("alice", memory_site.here)
    bob = await (await visit("rob", memory_site.here)).enters()
    await alice.talks_to(bob, "Audio call")
    await alice.clicks("We compared it: it is the same")
    await alice.sees(f"You have compared the safety number with {bob.id}.")
    await alice.page.evaluate("document.getElementById('panel').scrollTop = 0")
    await alice.clicks("Details")
    await bob.clicks("Hang up")
    await bob.page.context.close()

    # The same name in another browser, which has another key.
    other = await visit("rob", memory_site.here)
    other.id = bob.id
    await other.enters()
    await other.sees("Your key replaced the one of another browser.")
    await other.talks_to(alice, "Audio call")

    warning = alice.page.get_by_role("alert").filter(has_text=f"This may not be {bob.id}")
    await expect(warning).to_be_visible()
    await expect(alice.button("Accept the new key")).to_be_disabled()
    # What is to be compared now is shown, though it was folded.
    assert await alice.safety_number() == await other.safety_number()
    await alice.page.wait_for_function(IS_NUMBER_IN_VIEW)
    # A phone that is turned on its side folds the panel of whoever chose nothing, but not beside an alarm.
    await alice.page.evaluate("localStorage.removeItem('panel')")
    window = alice.page.viewport_size
    assert window is not None
    await alice.page.set_viewport_size({"width": 844, "height": 390})
    await alice.page.evaluate(TWO_FRAMES)
    await expect(alice.page.locator("#panel")).to_be_visible()
    await alice.page.set_viewport_size(window)
    await gallery.shows(alice, "key-changed")
    await alice.page.get_by_label(f"I have compared the safety number with {bob.id}").check()
    await alice.clicks("Accept the new key")
    await expect(warning).to_be_hidden()
    await alice.sees(f"You have compared the safety number with {bob.id}.")
    for _ in "folded", "open":
        await alice.clicks("Details")
