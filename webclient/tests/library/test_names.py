"""The demo page with names that belong to keys, as people see it."""

import pytest

from webclient.tests.gallery import Gallery
from webclient.tests.library.newcomers import AnyPerson, NewProfile, arrives, types
from webclient.tests.people import Person

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def looks_well(gallery: Gallery, person: AnyPerson, state: str) -> None:
    """Look at what a page shows, with all that can be opened, in the browser that pictures are made in."""
    if not isinstance(person, Person):
        return
    await person.page.evaluate("document.querySelectorAll('details').forEach((it) => { it.open = true; })")
    await gallery.shows(person, state)


async def changes_code(gallery: Gallery, person: AnyPerson, old: str) -> str:
    """Let another recovery code take the place of the one there is; returns it."""
    await person.clicks("Change the recovery code")
    code: str = await person.page.evaluate("document.getElementById('code').textContent")
    await looks_well(gallery, person, "recovery-code-change")
    await types(person, "Type it again, from the paper", code)
    for one in (code, old):
        await types(person, "Your recovery code until now", one)
        await person.clicks("I have written it down")
        if one == code:
            await person.sees("This is not the recovery code of this name")
    await person.sees_no_more("From then on it brings nothing back.")
    return code


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
    old, code = code, await changes_code(gallery, alice, code)
    await calls_and_hangs_up(bob, alice, f"This is the first time you see {alice.id}'s key.")

    back = await new_profile("alice")
    await arrives(back, alice.id)
    await back.sees("This name is taken")
    await looks_well(gallery, back, "name-taken")
    await types(back, "Recovery code", old)
    await back.clicks("Bring my name back")
    await back.sees("This is not the recovery code of this name")
    await types(back, "Recovery code", code)
    await back.clicks("Bring my name back")
    await back.sees("Connected to the server.")
    await back.sees("is yours, and your recovery code brings it back.")
    await alice.sees("Somebody changed your identity.")
    await calls_and_hangs_up(bob, back, f"{alice.id} moved to a new key")
