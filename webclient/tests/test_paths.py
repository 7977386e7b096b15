"""The way that voice and picture take."""

import pytest
from playwright.async_api import expect

from tests.support.servers import RunningServer
from webclient.tests.browsers import Visit
from webclient.tests.conftest import Site
from webclient.tests.gallery import Gallery
from webclient.tests.people import Person

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def enters_hidden(visit: Visit, name: str, where: RunningServer) -> Person:
    """Enter as a person who does not want to show where they are."""
    person = await (await visit(name, where)).enters()
    await person.page.get_by_label("Always relay").check()
    return person


async def test_relay_carries_the_call_with_the_servers_credentials(site: Site, visit: Visit, gallery: Gallery) -> None:
    alice, bob = await enters_hidden(visit, "alice", site.here), await enters_hidden(visit, "bob", site.there)

    await alice.talks_to(bob, "Audio call")

    for person in (alice, bob):
        await person.hears_something()
        await person.sees("Relayed")
        assert await person.candidate_types() == ["relay", "relay"]
    await gallery.draws(alice, "relayed-call")


async def test_relay_that_refuses_the_credentials_is_told(
    server_with_wrong_secret: RunningServer, visit: Visit, gallery: Gallery
) -> None:
    alice = await enters_hidden(visit, "alice", server_with_wrong_secret)
    bob = await (await visit("bob", server_with_wrong_secret)).enters()

    await alice.calls(bob.id, "Audio call")

    await alice.is_told("the relay server refused the credentials")
    await gallery.draws(alice, "relay-refused")
    await alice.page.reload()
    await expect(alice.page.get_by_label("Always relay")).to_be_checked()
