"""People with the demo page open in a profile of their own, in either browser."""

from typing import Protocol

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
