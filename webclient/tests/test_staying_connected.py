"""Connections to the server come and go; people stay."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.support.servers import RunningServer, server
from tests.support.services.process import free_port
from webclient.tests.browsers import Visit
from webclient.tests.conftest import PAGE_SERVER, REGISTRIES, Meet, Site
from webclient.tests.gallery import Gallery
from webclient.tests.people import Heartbeats, Person

pytestmark = pytest.mark.asyncio(loop_scope="session")


# Parts of the library that came after the document was loaded.
LATE_PARTS = """() => {
  const { loadEventStart } = performance.getEntriesByType("navigation")[0];
  const late = ({ name, startTime }) => /webclient\\/securecall.*\\.js/.test(name) && startTime > loadEventStart;
  return performance.getEntriesByType("resource").filter(late).map(({ name }) => name);
}"""


async def test_page_has_its_parts_before_it_connects(memory_site: Site, meet: Meet) -> None:
    alice = await meet("alice", memory_site.here)
    assert await alice.page.evaluate(LATE_PARTS) == []


# The registry hears nothing of heartbeats.
@pytest.mark.parametrize("impatient_site", ["memory"], indirect=True)
async def test_tab_whose_timers_stand_still_stays_registered(impatient_site: Site, visit: Visit, meet: Meet) -> None:
    alice = await visit("alice", impatient_site.here)
    heartbeats = Heartbeats(alice)
    # Six minutes in the background: the page's clock jumps, and then none of its timers fires again.
    await alice.page.clock.install()
    await alice.enters()
    await alice.page.clock.fast_forward("06:00")
    await alice.page.clock.pause_at("2100-01-01")
    # Twice as many as fit into the server's timeout: without them it would have closed the connection by now.
    await heartbeats.sends(5)

    bob = await meet("bob", impatient_site.there)
    await bob.calls(alice.id)

    await alice.rings(bob)
    await alice.sees("Connected to the server.")
    # A clock stays in its profile.
    await alice.page.context.close()


async def test_second_tab_supersedes_the_first_one(site: Site, visit: Visit, bob: Person, gallery: Gallery) -> None:
    first = await (await visit("alice", site.here)).enters()
    second = await visit("alice", site.there)
    second.id = first.id
    await second.enters()

    await expect(first.page.get_by_role("heading", name="You are somewhere else now")).to_be_focused()
    await bob.talks_to(second, "Audio call")
    # By now the first one would have come back, as after any other close.
    await expect(first.button("Use it here instead")).to_be_visible()
    await gallery.shows(first, "superseded")

    await second.clicks("Hang up")
    await second.is_told("You hung up.")
    await first.clicks("Use it here instead")
    await first.is_online()
    await expect(second.page.get_by_role("heading", name="You are somewhere else now")).to_be_visible()


class Restartable:
    """Servers that come back at their old addresses."""

    def __init__(self, environments: list[dict[str, str]]) -> None:
        self._places = [(environment, free_port()) for environment in environments]
        self._stack = ExitStack()
        self.servers = [self._start(*place) for place in self._places]

    def _start(self, environment: dict[str, str], port: int) -> RunningServer:
        return self._stack.enter_context(server(env=environment, options=("--port", str(port))))

    def stop(self) -> None:
        """End all servers, as a deploy does."""
        assert [running.stop() for running in self.servers] == [0] * len(self.servers)

    def start(self) -> None:
        """Start all servers again."""
        self.servers = [self._start(*place) for place in self._places]

    def close(self) -> None:
        """End what still runs."""
        self._stack.close()


@pytest_asyncio.fixture(loop_scope="session", params=REGISTRIES)
async def restartable(
    request: pytest.FixtureRequest, own_database: Callable[[], dict[str, str]]
) -> AsyncIterator[Restartable]:
    # On a busy machine two servers may take longer to start than calls are held.
    env = PAGE_SERVER | {"HOLD_SECONDS": "300"} | own_database()
    if request.param == "memory":
        environments = [env]
    else:
        environments = [env | {"REDIS_URL": request.getfixturevalue("redis_database")()}] * 2
    restartable = await asyncio.to_thread(Restartable, environments)
    yield restartable
    await asyncio.to_thread(restartable.close)


async def wants_a_relay_that_is_not_there(bob: Person, alice: Person) -> None:
    """Choose on a server without a relay what was chosen elsewhere before."""
    await alice.sees("No relay on this server")
    await expect(alice.page.get_by_label("Always relay")).to_be_disabled()
    await bob.page.evaluate("localStorage.setItem('always relay', 'yes')")
    await bob.enters()
    await bob.calls(alice.id)
    await bob.is_told("This server has no relay")
    await bob.page.get_by_label("Always relay").uncheck()
    await expect(bob.page.get_by_label("Always relay")).to_be_disabled()


async def test_call_outlives_a_restart_of_the_server(restartable: Restartable, visit: Visit, gallery: Gallery) -> None:
    here, there = restartable.servers[0], restartable.servers[-1]
    alice, bob = await (await visit("alice", here)).enters(), await (await visit("bob", there)).enters()
    people: tuple[Person, ...] = (alice, bob)
    await wants_a_relay_that_is_not_there(bob, alice)
    for person in people:
        person.expects_problem("WebSocket connection to .* failed: Error in connection establishment")
    await alice.talks_to(bob, "Audio call")
    for person in people:
        # The way past the server, which is negotiated over it once the call is connected: memory knows no call later.
        await person.sees("Your message")

    await asyncio.to_thread(restartable.stop)
    for person in people:
        await expect(person.button("Try now")).to_be_visible()
        await person.hears_something()
    await gallery.shows(alice, "server-away")
    await asyncio.to_thread(restartable.start)

    for person in people:
        await person.retries()
        await person.sees("Connected to the server.")
        await person.hears_something()
    await alice.clicks("Hang up")
    await bob.is_told(f"{alice.id} hung up.")
