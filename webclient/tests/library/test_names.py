"""The demo page with names that belong to keys, as people see it."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.support.servers import RunningServer
from webclient.tests.conftest import check, new_person
from webclient.tests.firefox import Firefox
from webclient.tests.firefox_people import FirefoxPerson
from webclient.tests.gallery import Gallery
from webclient.tests.people import Person

pytestmark = pytest.mark.asyncio(loop_scope="session")

AnyPerson = Person | FirefoxPerson
NewProfile = Callable[[str], Awaitable[AnyPerson]]


@pytest_asyncio.fixture(loop_scope="session", params=["chromium", "firefox"])
async def new_profile(
    request: pytest.FixtureRequest, chromium: Browser, firefox: Firefox, library_server: RunningServer
) -> AsyncIterator[NewProfile]:
    """Makes people with a browser profile of their own."""
    people: list[AnyPerson] = []

    async def make(name: str) -> AnyPerson:
        if request.param == "chromium":
            people.append(await new_person(chromium, name, library_server))
        else:
            people.append(FirefoxPerson(f"{name}-in-firefox", library_server, await firefox.new_page()))
        return people[-1]

    yield make
    check(person for person in people if isinstance(person, Person))
    for person in people:
        await (person.page.context.close() if isinstance(person, Person) else person.page.close())


async def types(person: AnyPerson, label: str, text: str) -> None:
    if isinstance(person, Person):
        await person.page.get_by_label(label, exact=True).fill(text)
    else:
        await person.page.fill(label, text)


async def looks_well(gallery: Gallery, person: AnyPerson, state: str) -> None:
    """Look at what a page shows, with all that can be opened, in the browser that pictures are made in."""
    if not isinstance(person, Person):
        return
    await person.page.evaluate("document.querySelectorAll('details').forEach((it) => { it.open = true; })")
    await gallery.shows(person, state)


async def calls_and_hangs_up(caller: AnyPerson, callee: AnyPerson, sees: str) -> None:
    await caller.calls(callee.id, "Audio call")
    await callee.rings(caller)
    await callee.clicks("Answer")
    await caller.sees(f"In a call with {callee.id}.")
    await caller.sees(sees)
    await caller.clicks("Hang up")
    await callee.sees("hung up.")


async def test_name_comes_back_to_a_new_browser_and_others_see_that_it_moved(
    new_profile: NewProfile, gallery: Gallery
) -> None:
    alice, bob = await (await new_profile("alice")).enters(), await (await new_profile("bob")).enters()
    await alice.sees("is yours, as long as this browser keeps its data.")
    await looks_well(gallery, alice, "name-yours")
    await alice.clicks("Make a recovery code")
    await looks_well(gallery, alice, "recovery-code")
    code = await alice.page.evaluate("document.getElementById('code').textContent")
    await types(alice, "Type it again, from the paper", f"{code[:-1]}U")
    await alice.clicks("I have written it down")
    await alice.sees("A recovery code has 28 letters and digits")
    await types(alice, "Type it again, from the paper", code.lower().replace("-", " "))
    await alice.clicks("I have written it down")
    await alice.sees("is yours, and your recovery code brings it back.")
    await calls_and_hangs_up(bob, alice, f"This is the first time you see {alice.id}'s key.")

    back = await new_profile("alice")
    back.id = alice.id
    await back.page.goto(f"{back.where.http_url}/demo/")
    await types(back, "Your name", alice.id)
    await back.clicks("Continue")
    await back.sees("This name is taken")
    await looks_well(gallery, back, "name-taken")
    await types(back, "Recovery code", code)
    await back.clicks("Bring my name back")
    await back.sees("Connected to the server.")
    await back.sees("is yours, and your recovery code brings it back.")
    await alice.sees("Somebody changed your identity.")
    await calls_and_hangs_up(bob, back, f"{alice.id} moved to a new key")
