"""The library's check of the public log: vectors, cheats and changed bytes, in Node.js and in the browsers."""

import asyncio
import json
import subprocess
from typing import Any

import pytest

from tests.support import kept_record
from tests.support.proved import ASK, check, question
from tests.support.services import NotInstalledError, skip_or_fail
from tests.support.services.process import executable
from webclient.tests.library.conftest import OpenAnyClient
from webclient.tests.npm.applications import PACKAGE

pytestmark = pytest.mark.asyncio(loop_scope="session")

# One byte in so many is changed; `make long` changes all.
STEP = 23
PARTS = 10


async def answered(ask: str, question: dict[str, Any]) -> Any:
    """Ask in Node.js, which has the browsers' WebCrypto."""
    try:
        program = executable("node", "nodejs")
    except NotInstalledError as missing:
        skip_or_fail(missing)
    script = f"const answer = await ({ask})({json.dumps(question)}); console.log(JSON.stringify(answer));"
    command = [program, "--no-warnings", "--input-type=module", "-"]
    ran = await asyncio.to_thread(subprocess.run, command, input=script, capture_output=True, text=True, check=False)
    assert ran.stderr == ""
    return json.loads(ran.stdout)


async def test_vectors_agree_and_no_cheat_is_believed() -> None:
    asked = {"base": f"{PACKAGE.as_uri()}/securecall/record/", **question(STEP)}
    check(await answered(ASK, asked), STEP)


async def test_record_is_kept_and_what_is_wrong_with_it_is_told() -> None:
    asked = {"base": f"{PACKAGE.as_uri()}/securecall/", **kept_record.question()}
    kept_record.check(await answered(kept_record.ASK, asked))


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_browsers_believe_no_cheat_and_no_changed_byte(open_any_client: OpenAnyClient) -> None:
    client = await open_any_client("reader", connected=False)
    # A part at a time, as a browser's driver waits for a minute at most.
    for part in range(PARTS):
        asked = {"base": "/static/webclient/securecall/record/", **question(PARTS, part)}
        check(await client.page.evaluate(ASK, asked), PARTS)
