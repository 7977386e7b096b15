"""A person with the page open in a browser of their own."""

import asyncio
import re
from typing import Protocol, Self

from playwright.async_api import ConsoleMessage, Error, Locator, Page, WebSocket, expect

from tests.support.servers import RunningServer

# Browsers, servers and a relay share two cores with whatever else runs: what has not come by then does not come.
PATIENCE_SECONDS = 60
expect.set_options(timeout=PATIENCE_SECONDS * 1000)

# Runs in the page before its own scripts: the statistics of a call are asked of its peer connection.
KEEP_PEER_CONNECTIONS = """
const Original = RTCPeerConnection;
window.peerConnections = [];
window.RTCPeerConnection = class extends Original {
  constructor(...options) {
    super(...options);
    window.peerConnections.push(this);
  }
};
"""

# Listens to what the peer sends: resolves at the first sound, or after so many milliseconds of silence.
LISTEN = """
async (silenceMs) => {
  const remote = document.getElementById("remote");
  // A path can stand before the browser is done with the answer that brings the peer's tracks.
  while (!remote.srcObject) await new Promise((resolve) => setTimeout(resolve, 10));
  const context = new AudioContext();
  await context.resume();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(remote.srcObject).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  let lastSound = performance.now();
  for (;;) {
    analyser.getFloatTimeDomainData(samples);
    const isLoud = samples.some((sample) => Math.abs(sample) > 0.01);
    if (isLoud && silenceMs === null) break;
    if (isLoud) lastSound = performance.now();
    if (silenceMs !== null && performance.now() - lastSound > silenceMs) break;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await context.close();
}
"""

# The types of the candidates that the current call uses, on this side and on the other.
CANDIDATE_TYPES = """
async () => {
  const stats = await window.peerConnections.at(-1).getStats();
  const transport = [...stats.values()].find(({ type }) => type === "transport");
  const pair = stats.get(transport.selectedCandidatePairId);
  return [stats.get(pair.localCandidateId).candidateType, stats.get(pair.remoteCandidateId).candidateType];
}
"""

# Whether the current call brings pictures, one after the other.
SEES_PICTURE = """
async () => {
  if (document.getElementById("remote").videoWidth === 0) return false;
  const stats = [...(await window.peerConnections.at(-1).getStats()).values()];
  return stats.some(({ type, kind, framesDecoded }) => type === "inbound-rtp" && kind === "video" && framesDecoded > 5);
}
"""

IS_IN_LOBBY = """
() => document.getElementById("lobby")?.hidden === false && !document.getElementById("incoming").open
"""

# A page that is opened anew would take up the call of an earlier test, whose other side may be gone.
FORGET_CALL = "location.protocol === 'http:' && sessionStorage.clear()"


# What the library and the demo keep in a browser. A database that a document has open can be emptied, but not deleted.
FORGET = """
async () => {
  sessionStorage.clear();
  localStorage.clear();
  const settled = (request) => new Promise((resolve, reject) => {
    Object.assign(request, { onsuccess: resolve, oncomplete: resolve, onerror: reject });
  });
  for (const { name } of await indexedDB.databases()) {
    const opening = indexedDB.open(name);
    await settled(opening);
    const stores = [...opening.result.objectStoreNames];
    const change = stores.length && opening.result.transaction(stores, "readwrite");
    for (const store of stores) change.objectStore(store).clear();
    if (change) await settled(change);
    opening.result.close();
  }
}
"""


class Somebody(Protocol):
    """A person in a call, in whatever browser."""

    id: str

    async def rings(self, caller: "Somebody") -> None:
        """Wait for a call."""

    async def clicks(self, name: str) -> None:
        """Press the button with this name."""

    async def sees(self, text: str) -> None:
        """Wait for a text."""


class Person:
    """Sees the page as people do, by its headings, labels and buttons; hears what it complains of."""

    def __init__(self, client_id: str, where: RunningServer, page: Page) -> None:
        self.id = client_id
        self.where = where
        self.page = page
        self.problems: list[str] = []
        self._expected: list[str] = []
        # A violation of the content security policy is an error in the console, too.
        page.on("console", self._heard)
        page.on("pageerror", self._threw)

    def expects_problem(self, pattern: str) -> None:
        """Let the console hold an error that the browser itself writes, such as a refused connection."""
        self._expected.append(pattern)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not any(re.search(p, message.text) for p in self._expected):
            self.problems.append(f"{message.text} ({message.location['url']})")

    def _threw(self, error: Error) -> None:
        self.problems.append(f"exception: {error}")

    # --- What the page shows ---

    def button(self, name: str) -> Locator:
        """The button with this name."""
        return self.page.get_by_role("button", name=name, exact=True)

    async def clicks(self, name: str) -> None:
        """Press the button with this name."""
        await self.button(name).click()

    async def sees(self, text: str) -> None:
        """Wait for a text."""
        await expect(self.page.get_by_text(text).locator("visible=true").first).to_be_visible()

    async def sees_no_more(self, text: str) -> None:
        """Wait until a text is gone."""
        await expect(self.page.get_by_text(text).locator("visible=true")).to_have_count(0)

    async def is_told(self, text: str) -> None:
        """Wait for a notice, which a screen reader reads out."""
        await expect(self.page.locator("#notice-text")).to_contain_text(text)

    # --- Coming and going ---

    async def opens(self, path: str = "/demo/") -> Self:
        """Load a page of the site."""
        await self.page.goto(self.where.http_url + path)
        return self

    async def enters(self) -> Self:
        """Choose the name, and wait until the server and the directory know it."""
        await self.opens()
        await self.page.get_by_label("Your name").fill(self.id)
        await self.clicks("Continue")
        await self.is_online()
        return self

    async def enters_anew(self) -> Self:
        """Load the page without what the one before knew of a call."""
        await self.page.evaluate(FORGET_CALL)
        return await self.enters()

    async def gets_ready(self) -> Self:
        """Be registered, in no call and with nothing left to read; the page is opened only if it must be."""
        if not await self.page.evaluate(IS_IN_LOBBY):
            return await self.enters_anew()
        if await self.button("Dismiss").is_visible():
            await self.clicks("Dismiss")
        return self

    async def leaves(self) -> Page:
        """Give up the page, in whose profile nothing is kept any more."""
        self.page.remove_listener("console", self._heard)
        self.page.remove_listener("pageerror", self._threw)
        # For it the browser asks for no icon, whose absence the next person would hear of.
        await self.opens("/static/webclient/icon.svg")
        await self.page.evaluate(FORGET)
        await self.page.context.clear_cookies()
        await self.page.set_viewport_size({"width": 1280, "height": 720})
        await self.page.emulate_media(color_scheme="null", reduced_motion="null")
        return self.page

    async def retries(self) -> None:
        """Press "Try now", which may vanish meanwhile because the page has tried by itself."""
        await self.page.locator("#retry").dispatch_event("click")

    async def is_online(self) -> None:
        """Wait until the server knows this client and its key."""
        await self.sees("Connected to the server.")
        await expect(self.page.locator("#you-key")).to_have_text(re.compile("browser"))

    # --- Calls ---

    async def calls(self, peer_id: str, how: str = "Video call") -> None:
        """Call the client with this ID."""
        await self.page.get_by_label("Their name").fill(peer_id)
        await self.clicks(how)

    def ringing(self, caller: Somebody) -> Locator:
        """The dialog that says who calls."""
        return self.page.get_by_role("alertdialog", name=f"{caller.id} is calling")

    async def rings(self, caller: Somebody) -> None:
        """Wait for a call."""
        await expect(self.ringing(caller)).to_be_visible()

    async def talks_to(self, callee: Somebody, how: str = "Video call") -> None:
        """Call a person who answers, until both are connected."""
        await self.calls(callee.id, how)
        await callee.rings(self)
        await callee.clicks("Answer")
        await self.sees(f"In a call with {callee.id}.")
        await callee.sees(f"In a call with {self.id}.")

    async def sees_picture(self) -> None:
        """Wait for pictures from the other side."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await self.page.evaluate(SEES_PICTURE):
                await asyncio.sleep(0.05)

    async def hears_something(self) -> None:
        """Wait for a sound from the other side."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.page.evaluate(LISTEN, None)

    async def hears_nothing(self, seconds: float = 1.5) -> None:
        """Wait until there was silence for longer than the pause between two beeps of the fake microphone."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.page.evaluate(LISTEN, seconds * 1000)

    async def candidate_types(self) -> list[str]:
        """RFC 8445's types of the candidates in use: this side's and the other's."""
        types: list[str] = await self.page.evaluate(CANDIDATE_TYPES)
        return types

    async def safety_number(self) -> list[str]:
        """The groups of digits that are shown for the current call."""
        groups = self.page.get_by_role("list", name="Safety number").get_by_role("listitem")
        await expect(groups).to_have_count(12)
        return await groups.all_inner_texts()


class Heartbeats:
    """Counts what a page sends to stay registered; made before the page connects."""

    def __init__(self, person: Person) -> None:
        self._sent = asyncio.Semaphore(0)
        person.page.on("websocket", self._opened)

    def _opened(self, websocket: WebSocket) -> None:
        websocket.on("framesent", self._frame_sent)

    def _frame_sent(self, frame: str | bytes) -> None:
        if "HEARTBEAT" in str(frame):
            self._sent.release()

    async def sends(self, count: int) -> None:
        """Wait for so many heartbeats from now on."""
        while not self._sent.locked():
            await self._sent.acquire()
        async with asyncio.timeout(PATIENCE_SECONDS):
            for _ in range(count):
                await self._sent.acquire()
