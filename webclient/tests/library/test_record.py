"""The library's check of the public log: vectors, cheats and changed bytes, in Node.js and in the browsers."""

import asyncio
import json
import subprocess

import pytest

from tests.support.proved import ASK, check, question
from tests.support.services import NotInstalledError, skip_or_fail
from tests.support.services.process import executable
from webclient.tests.library.conftest import OpenAnyClient
from webclient.tests.npm.applications import PACKAGE

pytestmark = pytest.mark.asyncio(loop_scope="session")

# One byte in so many is changed; `make long` changes all.
STEP = 23


async def test_vectors_agree_and_no_cheat_is_believed() -> None:
    """In Node.js, which has the browsers' WebCrypto."""
    try:
        program = executable("node", "nodejs")
    except NotInstalledError as missing:
        skip_or_fail(missing)
    asked = {"base": f"{PACKAGE.as_uri()}/securecall/record/", **question(STEP)}
    script = f"const answer = await ({ASK})({json.dumps(asked)}); console.log(JSON.stringify(answer));"
    command = [program, "--no-warnings", "--input-type=module", "-"]
    ran = await asyncio.to_thread(subprocess.run, command, input=script, capture_output=True, text=True, check=False)
    assert ran.stderr == ""
    check(json.loads(ran.stdout), STEP)


@pytest.mark.long
async def test_browsers_believe_no_cheat_and_no_changed_byte(open_any_client: OpenAnyClient) -> None:
    page = await open_any_client("reader", connected=False)
    check(await page.does(ASK, {"base": "/static/webclient/securecall/record/", **question(1)}), 1)
