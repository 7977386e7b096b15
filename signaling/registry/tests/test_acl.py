"""The user that docs/settings.md describes may do what the server does, and nothing else; see also `stage`."""

import re

import pytest

from signaling.delivery.redis_refusals import RefusedError
from signaling.registry.redis_scripts import SCRIPTS
from signaling.tests.acl import documented, user_of
from signaling.tests.stage import redis_process

# What the server sends besides its scripts; a database other than 0 takes a SELECT.
OPTIONAL = {"info"}
SENT = {"select", "time", "get", "set", "script|load", "eval", "evalsha", "subscribe", "unsubscribe", "publish"}


def test_documented_user_may_run_what_the_scripts_run() -> None:
    text = "\n".join(script.text for script in SCRIPTS.values())
    run = {command.lower() for command in re.findall(r"redis\.call\('([A-Z]+)'", text)} - OPTIONAL
    allowed = {word[1:] for word in documented("name", "prefix") if word.startswith("+")}
    assert allowed == run | SENT


async def test_documented_user_sees_nothing_else(redis_url: str, prefix: str) -> None:
    with user_of(redis_url, prefix) as url:
        async with redis_process(url, prefix) as process:
            for refused in (
                process.link.call("GET", "key-of-others"),
                process.link.subscribe("channel-of-others"),
                process.link.call("KEYS", "*"),
            ):
                with pytest.raises(RefusedError, match="NOPERM"):
                    await refused
