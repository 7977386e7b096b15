"""The public record on the demo page: a check mark where it agrees, and a question where there is another one."""

import pytest
from playwright.async_api import expect

from tests.support.kept_record import ANOTHER_KEY
from tests.support.servers import RunningServer
from webclient.tests.browsers import Visit
from webclient.tests.library.keeping import KEEP

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_page_says_that_the_record_agrees_and_asks_about_another_one(
    library_server: RunningServer, visit: Visit
) -> None:
    alice = await (await visit("alice", library_server)).enters()
    bob = await (await visit("bob", library_server)).enters()
    await alice.sees(f"The name {alice.id} is yours")
    await bob.sees(f"The name {bob.id} is yours")
    await alice.talks_to(bob, "Audio call")
    await alice.sees(f"The public record agrees: everybody who asks for {bob.id} is given this key.")
    assert "is who" not in await alice.page.locator("main").inner_text()
    await alice.clicks("Hang up")

    await alice.page.evaluate(KEEP, [library_server.ws_url, {"log": {"vkey": ANOTHER_KEY}}])
    await alice.page.reload()
    await alice.sees("The public record was replaced.")
    await expect(alice.page.get_by_text("Somebody changed your identity")).to_be_hidden()
    await alice.clicks("Go on with the new one")
    await expect(alice.page.get_by_text("The public record was replaced.")).to_be_hidden()
    await alice.sees(f"The name {alice.id} is yours")
