"""The library's own reading of statements, and its rules: what the server refuses it refuses, too."""

import asyncio
import json
import subprocess

import pytest

from tests.support.services import NotInstalledError, skip_or_fail
from tests.support.services.process import executable
from tests.support.statements import ASK, QUESTION, check
from webclient.tests.library.conftest import OpenAnyClient
from webclient.tests.npm.applications import PACKAGE

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_statements_are_read_and_judged_as_by_the_server() -> None:
    """In Node.js, which has the browsers' WebCrypto."""
    try:
        program = executable("node", "nodejs")
    except NotInstalledError as missing:
        skip_or_fail(missing)
    question = {"base": f"{PACKAGE.as_uri()}/securecall/ownership/", **QUESTION}
    script = f"const answer = await ({ASK})({json.dumps(question)}); console.log(JSON.stringify(answer));"
    command = [program, "--no-warnings", "--input-type=module", "-"]
    ran = await asyncio.to_thread(subprocess.run, command, input=script, capture_output=True, text=True, check=False)
    assert ran.stderr == ""
    check(json.loads(ran.stdout))


async def test_browsers_read_and_judge_statements_alike(open_any_client: OpenAnyClient) -> None:
    page = await open_any_client("reader", connected=False)
    check(await page.does(ASK, {"base": "/static/webclient/securecall/ownership/", **QUESTION}))
