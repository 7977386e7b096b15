"""The demo page calls the bot of securecall_client, which answers with aiortc."""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.servers import ROOT
from webclient.tests.conftest import Meet, Site

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def bot(memory_site: Site) -> AsyncIterator[str]:
    """The ID of a bot that answers calls, as somebody would start it."""
    name = f"echo-{secrets.token_hex(3)}"
    command = ["-m", "securecall_client.examples.answering_bot", memory_site.here.ws_url, name]
    process = await asyncio.create_subprocess_exec(sys.executable, *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert process.stdout
    assert await process.stdout.readline() == f"{name} answers calls.\n".encode()
    yield name
    process.terminate()
    await process.wait()


async def test_bot_says_back_what_it_hears(bot: str, memory_site: Site, meet: Meet) -> None:
    alice = await meet("alice", memory_site.here)
    await alice.calls(bot, "Audio call")
    await alice.sees(f"In a call with {bot}.")
    await alice.hears_something()
    await alice.sees(f"{bot}'s app does not sign its calls")
    await alice.clicks("Hang up")
