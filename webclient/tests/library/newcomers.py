"""People with the demo page open in a profile of their own, in either browser."""

import json
from typing import Any, Protocol

from tests.support.servers import RunningServer
from webclient.tests.firefox_people import FirefoxPerson
from webclient.tests.people import Person

AnyPerson = Person | FirefoxPerson


class NewProfile(Protocol):
    """Makes a person with a browser profile of their own, who has not opened the page yet."""

    async def __call__(self, name: str, where: RunningServer | None = None) -> AnyPerson:
        """`name` is for the reader; `where` is the page's server, if not the shared one."""


async def types(person: AnyPerson, label: str, text: str) -> None:
    """Type into the field with this label, in place of what is there."""
    if isinstance(person, Person):
        await person.page.get_by_label(label, exact=True).fill(text)
    else:
        await person.page.fill(label, text)


async def arrives(person: AnyPerson, client_id: str) -> None:
    """Open the page, and give it this name."""
    person.id = client_id
    await person.page.goto(f"{person.where.http_url}/demo/")
    await types(person, "Your name", client_id)
    await person.clicks("Continue")


async def downloads(person: AnyPerson, button: str) -> tuple[str, Any]:
    """Press a button that saves a file of JSON; returns the file's name and what is in it."""
    if isinstance(person, Person):
        async with person.page.expect_download() as saving:
            await person.clicks(button)
        saved = await saving.value
        return saved.suggested_filename, json.loads((await saved.path()).read_text())
    path = await person.page.downloads(lambda: person.clicks(button))
    return path.name, json.loads(path.read_text())
