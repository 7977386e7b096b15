"""How much of the window the page uses, and what of it lies outside."""

from playwright.async_api import Page, ViewportSize

from webclient.tests.firefox import FirefoxPage

DESKTOP: ViewportSize = {"width": 1920, "height": 1080}
NARROWEST: ViewportSize = {"width": 320, "height": 568}
# Phones that lie on their sides; on the last of them a browser's own bars take much.
ON_ITS_SIDE: list[ViewportSize] = [
    {"width": 844, "height": 390},
    {"width": 667, "height": 375},
    {"width": 568, "height": 320},
]

# Of the window, as counted on a grid: what overlaps counts once.
SHARE = """
(selector) => {
  const boxes = [...document.querySelectorAll(selector)]
    .filter((one) => one.checkVisibility())
    .map((one) => one.getBoundingClientRect());
  const steps = 100;
  let covered = 0;
  for (let row = 0; row < steps; row++) {
    for (let column = 0; column < steps; column++) {
      const [x, y] = [((column + 0.5) * innerWidth) / steps, ((row + 0.5) * innerHeight) / steps];
      if (boxes.some(({ left, right, top, bottom }) => left <= x && x < right && top <= y && y < bottom)) covered++;
    }
  }
  return covered / steps ** 2;
}
"""

# A new size of the window is laid out some frames later on a busy machine.
OUTSIDE = """
async (selector) => {
  const outside = () => [...document.querySelectorAll(selector)].filter((one) => {
    const { left, right, top, bottom } = one.getBoundingClientRect();
    return one.checkVisibility() && (left < 0 || top < 0 || right > innerWidth || bottom > innerHeight);
  }).map(({ id }) => id);
  const end = performance.now() + 5000;
  while (outside().length && performance.now() < end) await new Promise(requestAnimationFrame);
  return outside();
}
"""

CONTENT = ".card, .pitch, .stage"
CALL_CONTROLS = "#stage button"
ANSWERS = "#incoming button"


async def share(page: Page | FirefoxPage, selector: str) -> float:
    """Return the share of the window that what is shown of `selector` covers."""
    covered: float = await page.evaluate(SHARE, selector)
    return covered


async def outside(page: Page | FirefoxPage, selector: str) -> list[str]:
    """Return the IDs of what of `selector` is shown, but not within the window."""
    ids: list[str] = await page.evaluate(OUTSIDE, selector)
    return ids
