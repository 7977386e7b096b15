"""The demo page and the bot of securecall_client, which speaks with aiortc, call each other."""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.servers import ROOT
from webclient.tests.conftest import Meet, Site
from webclient.tests.firefox_people import FirefoxPerson

pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def bot_on(site: Site, *called: str) -> AsyncIterator[str]:
    """Start a bot, as somebody would, and yield its ID."""
    name = f"echo-{secrets.token_hex(3)}"
    command = ["-m", "securecall_client.examples.answering_bot", site.here.ws_url, name, *called]
    process = await asyncio.create_subprocess_exec(sys.executable, *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert process.stdout
    assert await process.stdout.readline() == f"{name} answers calls.\n".encode()
    yield name
    process.terminate()
    await process.wait()


async def test_bot_says_back_what_it_hears(memory_site: Site, meet: Meet, fox: FirefoxPerson) -> None:
    alice = await meet("alice", memory_site.here)
    async with bot_on(memory_site) as bot:
        for person in (alice, fox):
            await person.calls(bot, "Audio call")
            await person.sees(f"In a call with {bot}.")
            await person.hears_something()
            await person.sees(f"{bot}'s app does not sign its calls")
            await person.clicks("Hang up")


async def test_bot_calls_and_says_back_what_it_hears(memory_site: Site, meet: Meet, fox: FirefoxPerson) -> None:
    alice = await meet("alice", memory_site.here)
    async with bot_on(memory_site, alice.id, fox.id) as bot:
        for person in (alice, fox):
            await person.sees(f"{bot} is calling")
            await person.clicks("Answer")
            await person.sees(f"In a call with {bot}.")
            await person.hears_something()
            await person.clicks("Hang up")
