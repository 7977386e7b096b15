"""Check the page in every state, and draw it into docs/screenshots/ when SCREENSHOTS=1."""

import os
from io import BytesIO
from pathlib import Path
from typing import Literal

from axe_playwright_python.async_playwright import Axe
from PIL import Image
from playwright.async_api import ViewportSize

from tests.support.servers import ROOT
from webclient.tests.firefox import FirefoxPage
from webclient.tests.people import Person

IS_DRAWN = os.environ.get("SCREENSHOTS") == "1"
DIRECTORY = ROOT / "docs" / "screenshots"

ColorScheme = Literal["dark", "light"]
# The narrowest phones in use, and a small laptop; each colour scheme on one of them.
DEVICES: dict[str, tuple[ViewportSize, ColorScheme]] = {
    "phone-dark": ({"width": 360, "height": 740}, "dark"),
    "desktop-light": ({"width": 1280, "height": 800}, "light"),
}
# Links of the admin fade from the colours of one scheme to those of the other.
COLORED = """Promise.allSettled(
  document.getAnimations().filter((one) => one instanceof CSSTransition).map((one) => one.finished)
)"""
# A new size of the window is laid out some frames later on a busy machine; what stays wider is named.
OVERFLOWING = """
async () => {
  const root = document.documentElement;
  const end = performance.now() + 5000;
  while (root.scrollWidth > root.clientWidth && performance.now() < end) await new Promise(requestAnimationFrame);
  if (root.scrollWidth <= root.clientWidth) return [];
  const wide = [...document.body.querySelectorAll("*")].filter(
    (one) => one.getBoundingClientRect().right > root.clientWidth
  );
  return wide.map((one) => `${one.tagName}.${one.className}: ${one.textContent.trim().slice(0, 60)}`);
}
"""

VIOLATIONS = """
axe.run({ resultTypes: ["violations"] }).then(({ violations }) => violations.map(
  ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`
))
"""


async def violations_in(page: FirefoxPage) -> list[str]:
    """Return what axe-core finds to complain of in what a page of Firefox shows."""
    await page.evaluate(f"() => {{ {Axe().axe_script}\n }}")
    found: list[str] = await page.evaluate(VIOLATIONS)
    return found


async def barriers(person: Person) -> list[str]:
    """Return what axe-core finds to complain of in what a person sees."""
    results = await Axe().run(person.page)
    return [results.generate_report()] if results.violations_count else []


class Gallery:
    """Looks once at each state, on each device."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    async def shows(self, person: Person, state: str) -> None:
        """Demand that what this person sees fits the screen and that axe-core finds nothing to complain of."""
        if state in self._seen:
            return
        self._seen.add(state)
        for device, (viewport, color_scheme) in DEVICES.items():
            await person.page.set_viewport_size(viewport)
            await person.page.emulate_media(color_scheme=color_scheme, reduced_motion="reduce")
            await person.page.evaluate(COLORED)
            wide = await person.page.evaluate(OVERFLOWING)
            assert wide == [], f"{state} is wider than the {device}"
            assert await barriers(person) == [], f"{state} on {device}"
            if IS_DRAWN:
                await self._draw(person, DIRECTORY / f"{state}-{device}.png")
        await person.page.set_viewport_size(DEVICES["desktop-light"][0])

    async def draws(self, person: Person, state: str) -> None:
        """Draw what differs from another state by its words alone."""
        if IS_DRAWN:
            await self.shows(person, state)

    async def draws_window(self, person: Person, state: str) -> None:
        """Draw the window as it is."""
        if IS_DRAWN:
            await self._draw(person, DIRECTORY / f"{state}.png")

    async def _draw(self, person: Person, path: Path) -> None:
        picture = await person.page.screenshot(full_page=True, animations="disabled", caret="hide")
        # A palette makes a third of it; the page has few colours.
        Image.open(BytesIO(picture)).convert("RGB").quantize(256, kmeans=1).save(path, optimize=True)
