"""A person with the page open in Firefox: as much of `Person` as a call needs."""

import json
from typing import Self

from tests.support.servers import RunningServer
from webclient.tests.firefox import FirefoxPage
from webclient.tests.people import SEES_PICTURE, Somebody

# An AudioContext of Firefox's does not start on a machine without a sound card.
HEARS_SOUND = """
async () => {
  const stats = [...(await window.peerConnections.at(-1).getStats()).values()];
  const sound = stats.find(({ type, kind }) => type === "inbound-rtp" && kind === "audio");
  return sound?.totalAudioEnergy > 0;
}
"""


class FirefoxPerson:
    """Sees the page as people do, by its labels and buttons."""

    def __init__(self, client_id: str, where: RunningServer, page: FirefoxPage) -> None:
        self.id = client_id
        self.where = where
        self.page = page

    async def enters(self) -> Self:
        """Open the page, choose the name, and wait until the server and the directory know it."""
        await self.page.goto(f"{self.where.http_url}/demo/")
        await self.page.fill("Your name", self.id)
        await self.clicks("Continue")
        await self.sees("Connected to the server.")
        await self.page.until("document.getElementById('you-key').textContent.includes('browser')")
        return self

    async def clicks(self, name: str) -> None:
        """Press the button with this name."""
        await self.page.click("button", name)

    async def sees(self, text: str) -> None:
        """Wait for a text."""
        await self.page.until(f"document.body.innerText.includes({json.dumps(text)})")

    async def sees_no_more(self, text: str) -> None:
        """Wait until a text is gone."""
        await self.page.until(f"!document.body.innerText.includes({json.dumps(text)})")

    async def calls(self, peer_id: str, how: str = "Video call") -> None:
        """Call the client with this ID."""
        await self.page.fill("Their name", peer_id)
        await self.clicks(how)

    async def rings(self, caller: Somebody) -> None:
        """Wait for a call."""
        await self.sees(f"{caller.id} is calling")

    async def sees_picture(self) -> None:
        """Wait for pictures from the other side."""
        await self.page.until(SEES_PICTURE)

    async def hears_something(self) -> None:
        """Wait for a sound from the other side."""
        await self.page.until(HEARS_SOUND)
