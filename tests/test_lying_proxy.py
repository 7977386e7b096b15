"""A real server behind a proxy that lies of it: the Python client believes the honest answers, and no other."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from securecall_client import Client
from securecall_client.owners import look_up_proved
from securecall_client.transparency import Checked, Log, Outcome, RefusedError
from tests.support.lies import CHEATS
from tests.support.lying_proxy import LyingProxy, honest, lying_proxy
from tests.support.made_log import vkey
from tests.support.served_log import ServedLog, flipped, log_settings
from tests.support.servers import server

# One of each kind; `make faults ARGS=lies` has all of them.
CHOSEN = [
    "another public key",
    "no proof",
    "the last one left out",
    "an identity swapped and put back",
    "an old tree signed now",
    "a rebuilt log that is larger",
    "bob's index",
]


@asynccontextmanager
async def behind_a_proxy(tmp_path: Path) -> AsyncIterator[tuple[LyingProxy, ServedLog]]:
    with server(env={"DEBUG": "1", **log_settings(tmp_path)}) as running:
        async with lying_proxy(running) as proxy:
            yield proxy, ServedLog(running.ws_url)


async def test_honest_answers_are_believed_and_no_others(tmp_path: Path) -> None:
    async with behind_a_proxy(tmp_path) as (proxy, log), Client(proxy.ws_url, "victim") as victim:

        async def looks_up(known: Checked) -> Checked:
            return await look_up_proved(victim, "alice", known.log, known.pin)

        await log.begins()
        pinned = await look_up_proved(victim, "alice", Log(vkey()))
        assert pinned.outcome is Outcome.FIRST_TIME
        await log.goes_on()
        checked = await looks_up(pinned)
        assert (checked.outcome, checked.log.size) == (Outcome.UNCHANGED, 6)
        # The log that lies are made of is the server's.
        assert checked.log.root == log.world().directory.root
        for name in CHOSEN:
            proxy.lie = log.lie(CHEATS[name])
            with pytest.raises(RefusedError) as refused:
                await looks_up(pinned)
            assert refused.value.evidence.log == pinned.log, name
        answer = json.dumps(log.world().answer()).encode()
        proxy.lie = flipped(answer)
        assert (await looks_up(pinned)).pin == checked.pin
        proxy.lie = flipped(answer.replace(b"signed", b"sighed", 1))
        with pytest.raises(RefusedError):
            await looks_up(pinned)
        proxy.lie = honest
        assert await looks_up(pinned) == checked
        assert {asked.size for asked in proxy.told} == {0, 3}


async def test_all_else_comes_through_unchanged(tmp_path: Path) -> None:
    async with behind_a_proxy(tmp_path) as (proxy, log):
        await log.begins()
        proxy.lie = log.lie(lambda _: {})
        async with Client(proxy.ws_url, "one") as one, Client(proxy.ws_url, "two") as two:
            await one.publish_key("a key")
            assert await two.look_up_key("one") == "a key"
            call_id = await one.call("two", "v=0")
            await two.accept(call_id, "v=0")
