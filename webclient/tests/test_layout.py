"""The page fills every window, and what one needs in a call is in it."""

import pytest
from playwright.async_api import ViewportSize, expect

from webclient.tests.browsers import Visit
from webclient.tests.conftest import Meet, Site
from webclient.tests.gallery import OVERFLOWING, ColorScheme, Gallery, barriers
from webclient.tests.people import Person
from webclient.tests.shape import ANSWERS, CALL_CONTROLS, CONTENT, DESKTOP, NARROWEST, ON_ITS_SIDE, outside, share

pytestmark = pytest.mark.asyncio(loop_scope="session")

SCHEMES: list[ColorScheme] = ["dark", "light"]
# What is wider than the panel is cut off there, or scrolled to, while the page is no wider than the window.
IS_PANEL_WIDE = (
    "() => { const panel = document.getElementById('panel'); return panel.scrollWidth > panel.clientWidth; }"
)
# The page is no wider than the window, while what is in a card reaches over its edge.
OVER_THE_EDGE = """
() => [...document.querySelectorAll(".card *")].filter((one) => one.checkVisibility()
  && one.getBoundingClientRect().right > one.closest(".card").getBoundingClientRect().right).map(({ id }) => id)
"""
IS_CAPTION_BESIDE_PICTURE = """
() => {
  const [caption, picture] = [".caption", "#self"].map((it) => document.querySelector(it).getBoundingClientRect());
  return caption.right <= picture.left;
}
"""


async def size(person: Person, viewport: ViewportSize) -> None:
    await person.page.set_viewport_size(viewport)
    assert await person.page.evaluate(OVERFLOWING) == [], viewport


async def test_page_fills_a_large_window(memory_site: Site, visit: Visit) -> None:
    alice = await (await visit("erin", memory_site.here)).opens()
    await size(alice, DESKTOP)
    assert await share(alice.page, CONTENT) > 0.8
    await alice.enters()
    assert await share(alice.page, CONTENT) > 0.8


async def test_picture_fills_what_the_panel_leaves_of_the_window(memory_site: Site, visit: Visit, meet: Meet) -> None:
    alice, bob = await (await visit("erin", memory_site.here)).enters(), await meet("bob", memory_site.here)
    await size(alice, DESKTOP)
    await alice.talks_to(bob)
    panel, toggle = alice.page.get_by_role("region", name="Details of the call"), alice.button("Details")
    await expect(panel).to_be_visible()
    assert await share(alice.page, "#stage") > 0.65

    await toggle.press("Enter")
    await expect(panel).to_be_hidden()
    await expect(toggle).to_have_attribute("aria-expanded", "false")
    await expect(toggle).to_be_focused()
    assert await share(alice.page, "#stage") > 0.85
    await alice.sees_picture()
    await expect(alice.page.locator("#stage")).to_have_attribute("data-fit", "filling")
    # Rather whole than cut in half.
    await size(alice, {"width": 1600, "height": 500})
    await expect(alice.page.locator("#stage")).to_have_attribute("data-fit", "whole")

    # Neither a window of another shape nor another visit opens it.
    await size(alice, NARROWEST)
    await expect(panel).to_be_hidden()
    await alice.page.reload()
    await alice.sees(f"In a call with {bob.id}.")
    await expect(panel).to_be_hidden()

    await toggle.press("Enter")
    await expect(panel).to_be_visible()
    await size(alice, ON_ITS_SIDE[0])
    await expect(panel).to_be_visible()
    await alice.clicks("Hang up")


async def test_small_phone_shows_the_controls(memory_site: Site, visit: Visit, meet: Meet, gallery: Gallery) -> None:
    alice, bob = await (await visit("erin", memory_site.here)).opens(), await meet("bob", memory_site.here)
    await size(alice, NARROWEST)
    await alice.enters()
    assert await alice.page.evaluate(OVER_THE_EDGE) == []
    await bob.calls(alice.id)
    await alice.rings(bob)
    for viewport in (NARROWEST, *ON_ITS_SIDE):
        await size(alice, viewport)
        assert await outside(alice.page, ANSWERS) == [], viewport

    await alice.clicks("Answer")
    await alice.sees(f"In a call with {bob.id}.")
    # Folded at first on its side, where half of the picture would be gone.
    await expect(alice.button("Details")).to_have_attribute("aria-expanded", "false")
    assert await share(alice.page, "#stage") > 0.9
    await size(alice, ON_ITS_SIDE[0])
    await expect(alice.page.locator("#stage")).to_have_attribute("data-remote", "video")
    await gallery.draws_window(alice, "call-phone-on-its-side")
    await alice.clicks("Details")
    await alice.safety_number()
    for viewport in (NARROWEST, *ON_ITS_SIDE):
        await size(alice, viewport)
        assert await alice.page.evaluate(IS_CAPTION_BESIDE_PICTURE), viewport
        assert await outside(alice.page, CALL_CONTROLS) == [], viewport
        assert not await alice.page.evaluate(IS_PANEL_WIDE), viewport
    for color_scheme in SCHEMES:
        await alice.page.emulate_media(color_scheme=color_scheme, reduced_motion="reduce")
        assert await barriers(alice) == []
    await alice.clicks("Hang up")


async def test_dialogs_show_their_buttons_on_a_phone_on_its_side(memory_site: Site, visit: Visit) -> None:
    alice = await (await visit("erin", memory_site.here)).enters()
    for opener, dialog in (("Microphone, camera and speaker", "#devices"), ("Invite somebody", "#invitation")):
        await alice.clicks(opener)
        await expect(alice.page.locator(f"{dialog} :is(#preview, svg)")).to_be_visible()
        for viewport in ON_ITS_SIDE[:2]:
            await size(alice, viewport)
            assert await outside(alice.page, f"{dialog} :is(button, select, input)") == [], viewport
        await alice.clicks("Done")
