"""The demo page when an operator releases a name, and when a server says what cannot be true."""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.office import Office, sign_in
from tests.support.people import Person as Anybody
from tests.support.servers import RunningServer, environment
from webclient.tests.library.liar import Liar
from webclient.tests.library.newcomers import NewProfile, arrives, downloads

pytestmark = pytest.mark.asyncio(loop_scope="session")

# What changed behind the server's back it reads every 20 s.
SOON_SECONDS = 60
# More than RELEASE_HOURS.
THREE_DAYS_LATER = "UPDATE pkd_release SET takes_effect_at = datetime(takes_effect_at, '-73 hours') WHERE key_id = ?"
CHANGED = "UPDATE pkd_identity SET changed_at = datetime('now') WHERE key_id = ?"


async def is_released(client_id: str, where: RunningServer) -> bool:
    """Return whether a release is pending or in effect."""
    async with Anybody(where.ws_url, client_id) as anybody:
        await anybody.send("PKD_LOOKUP", clientId=client_id, after=-1)
        return "releasedAt" in await anybody.expects("PKD_RESULT")


async def is_anybodys(client_id: str, where: RunningServer) -> bool:
    """Return whether a client ID is registered without a signature, which is tried."""
    async with Anybody(where.ws_url, client_id) as anybody:
        await anybody.send("REGISTER", clientId=client_id)
        answer: str = (await anybody.next_message())["type"]
        return answer == "REGISTERED"


def let_three_days_pass(client_id: str, database: Path) -> None:
    """Let the hours of a release be over."""
    with closing(sqlite3.connect(database, timeout=20)) as connection, connection:
        key = connection.execute("SELECT id FROM pkd_publickey WHERE client_id = ?", [client_id]).fetchone()
        for change in (THREE_DAYS_LATER, CHANGED):
            connection.execute(change, key)


async def test_release_is_cancelled_by_its_owner_and_asked_about_otherwise(
    new_profile: NewProfile, library_server: RunningServer, library_database: Path
) -> None:
    alice, bob = [await (await new_profile(name)).enters() for name in ("alice", "bob")]
    await alice.sees("is yours, as long as this browser keeps its data.")
    await bob.calls(alice.id, "Audio call")
    await alice.rings(bob)
    await bob.sees(f"This is the first time you see {alice.id}'s key.")
    await bob.clicks("Hang up")

    session = await asyncio.to_thread(sign_in, environment(library_database, {"DEBUG": "1"}))
    office = Office(library_server, library_server, session)
    await asyncio.to_thread(office.decide, "release_selected", alice.id, "Lost everything.")
    # The page's connection was closed; it comes back by signature, and nobody has to do anything.
    async with asyncio.timeout(SOON_SECONDS):
        while await is_released(alice.id, library_server):
            await asyncio.sleep(0.05)
    await alice.sees("Connected to the server.")
    await alice.sees("is yours, as long as this browser keeps its data.")

    await alice.clicks("Use another name")
    await asyncio.to_thread(office.decide, "release_selected", alice.id, "Lost everything.")
    assert await is_released(alice.id, library_server)
    await asyncio.to_thread(let_three_days_pass, alice.id, library_database)
    async with asyncio.timeout(SOON_SECONDS):
        while not await is_anybodys(alice.id, library_server):
            await asyncio.sleep(0.5)
    other = await new_profile("other")
    await arrives(other, alice.id)
    await other.sees("An operator of the server gave this name free on")
    await other.clicks("Make it mine")
    await other.sees("is yours, as long as this browser keeps its data.")
    await bob.calls(alice.id, "Audio call")
    await bob.sees(f"This may not be {alice.id}")
    await bob.sees(f"An operator gave this name to a new owner. It may be another person than the {alice.id} you knew.")
    await bob.clicks("Hang up")


async def test_evidence_can_be_kept(new_profile: NewProfile, library_server: RunningServer, liar: Liar) -> None:
    alice = await (await new_profile("alice")).enters()
    bob = await (await new_profile("bob", replace(library_server, port=liar.port))).enters()
    liar.lies("PKD_RESULT", lambda it: it | {"publicKey": "another"} if it["clientId"] == alice.id else it)
    await bob.calls(alice.id, "Audio call")
    await bob.sees("The server may lie")
    await bob.sees(f"The server said something about {alice.id} that cannot be true.")
    name, evidence = await downloads(bob, "Keep the evidence")
    assert name == f"evidence-{alice.id}-{evidence['at']}.json"
    assert (evidence["clientId"], evidence["answers"][0]["publicKey"]) == (alice.id, "another")
    assert evidence["answers"][0]["statements"][0]["statement"].startswith("securecall-statement-v2\n")
    await bob.clicks("Hang up")
