"""Two versions of the server on one Redis: what one does not know of the other is answered, and logged once.

The other version is a copy of this code with a line or two changed, as a release to come might.
"""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import SHARED, Join
from tests.support.people import ANSWER, CANDIDATE, OFFER, Person, new_call_id
from tests.support.scrape import TOKEN, figures
from tests.support.servers import ROOT, RunningServer, server
from tests.support.services import RedisServer

APPS = (
    "bans",
    "operators",
    "diagnostics",
    "pkd",
    "securecall_client",
    "securecall_site",
    "serving",
    "signaling",
    "transparency",
    "turn",
    "webclient",
)
NOT_NEEDED = shutil.ignore_patterns("__pycache__", "tests", "static")

Change = tuple[str, str, str]
EVENTS, LAYERS = "signaling/delivery/events.py", "signaling/delivery/redis_layer.py"
MESSAGE: Change = (EVENTS, '"client.message"', '"client.message2"')
SUPERSEDE: Change = (EVENTS, '"client.supersede"', '"client.supersede2"')
# Its events are of the next format, and its records are not.
EVENT_FORMAT: tuple[Change, ...] = (
    (LAYERS, '"format": FORMAT', '"format": 2'),
    (LAYERS, "found != FORMAT", "found != 2"),
)
FORMAT: Change = (EVENTS, "FORMAT = 1", "FORMAT = 2")

StartOther = Callable[..., tuple[RunningServer, RunningServer]]


def another_version(folder: Path, changes: tuple[Change, ...]) -> Path:
    """Copy the code and change it; each of these lines must be there."""
    for app in APPS:
        shutil.copytree(ROOT / app, folder / app, ignore=NOT_NEEDED)
    shutil.copy(ROOT / "pyproject.toml", folder)
    for name, before, after in changes:
        text = (folder / name).read_text()
        assert text.count(before) == 1, (name, before)
        (folder / name).write_text(text.replace(before, after))
    return folder


@pytest.fixture
def versions(own_redis: RedisServer, tmp_path: Path) -> Iterator[StartOther]:
    """Starts this version and a changed one, on one Redis."""
    with ExitStack() as stack:

        def start(*changes: Change) -> tuple[RunningServer, RunningServer]:
            env = SHARED | {"REDIS_URL": own_redis.url, "METRICS_TOKEN": TOKEN}
            this = stack.enter_context(server(env=env))
            return this, stack.enter_context(server(env=env, cwd=another_version(tmp_path, changes)))

        yield start


@pytest.fixture(params=[(MESSAGE,), EVENT_FORMAT], ids=["an event is named anew", "events have another format"])
def this_and_other(request: pytest.FixtureRequest, versions: StartOther) -> tuple[RunningServer, RunningServer]:
    return versions(*request.param)


async def test_call_to_another_version_is_refused_and_logged_once(
    join: Join, this_and_other: tuple[RunningServer, RunningServer]
) -> None:
    this, other = this_and_other
    for here, there in ((this, other), (other, this)):
        await calls_to_another_version_are_refused(join, here, there)
        await here.logged("does not know an event of this one (client.message")
        await there.logged("an event that is not known here (client.message")
    for running in this_and_other:
        assert running.log.count("another version") == 2
        counted = await asyncio.to_thread(figures, running)
        assert counted["securecall_events_returned_total"] == counted["securecall_events_unknown_total"] == 3


async def calls_to_another_version_are_refused(join: Join, here: RunningServer, there: RunningServer) -> None:
    """Call somebody on the other version three times, and then somebody on the same one."""
    alice, bob, carol = await join("alice", here), await join("bob", there), await join("carol", here)
    for _ in range(3):
        call_id = new_call_id()
        await alice.send("CALL_INITIATE", targetId=bob.id, sdpOffer=OFFER, callId=call_id)
        # "Try again": it will work when the callee is on a process of the same version.
        await alice.expects_error("RATE_LIMITED", "CALL_INITIATE", call_id)
        # It was taken back: the ID is free, and nothing of it is left.
        await bob.send("CALL_ACCEPT", callId=call_id, sdpAnswer=ANSWER)
        await bob.expects_error("CALL_NOT_FOUND", "CALL_ACCEPT", call_id)
        await carol.send("CALL_INITIATE", targetId=alice.id, sdpOffer=OFFER, callId=call_id)
        await alice.expects("INCOMING_CALL", callId=call_id)
        await carol.send("CALL_END", callId=call_id)
        await alice.expects("CALL_ENDED", callId=call_id)
    for person in (alice, bob):
        await person.expects_nothing_else()
    # Whoever is on one version has no trouble.
    await alice.talks_to(carol)


async def test_each_candidate_of_a_batch_is_refused_or_arrives(join: Join, versions: StartOther) -> None:
    this, other = versions((EVENTS, '"client.batch"', '"client.batch2"'))
    bob = await join("bob", other)
    people = [await join(name, this) for name in ("alice", "carol")]
    calls = [await person.talks_to(bob) for person in people]
    # The first of them goes alone, those that come meanwhile together.
    said = [[f"{call_id} {number}" for number in range(50)] for call_id in calls]
    for numbers in zip(*said, strict=True):
        for person, call_id, candidate in zip(people, calls, numbers, strict=True):
            await person.send("ICE_CANDIDATE", callId=call_id, candidate=candidate)
    outcomes: list[tuple[str, str]] = []

    async def listen(person: Person) -> None:
        while True:
            came = await person.next_message()
            outcomes.append((came["payload"].get("request", came["type"]), came["payload"]["callId"]))

    listening = [asyncio.ensure_future(listen(person)) for person in (*people, bob)]
    async with asyncio.timeout(10):
        while len(outcomes) < 100:
            await asyncio.sleep(0.01)
    for task in listening:
        task.cancel()
    await asyncio.wait(listening)
    assert sorted(outcomes) == sorted(("ICE_CANDIDATE", call_id) for call_id in calls * 50)
    assert (await asyncio.to_thread(figures, this))["securecall_events_returned_total"] > 0


async def test_newer_connection_on_another_version_supersedes(join: Join, versions: StartOther) -> None:
    this, other = versions(SUPERSEDE)
    alice, bob = await join("alice", this), await join("bob", this)
    call_id = await alice.talks_to(bob)
    for where in (other, this):
        await bob.has_proved()
        newer = await join("bob", where, client_id=bob.id)
        await bob.expects_close(4409, "superseded")
        await alice.send("CALL_END", callId=call_id)
        await newer.expects("CALL_ENDED", callId=call_id)
        call_id = await alice.talks_to(newer)
        bob = newer


async def test_records_of_another_format_are_left_alone(join: Join, versions: StartOther) -> None:
    this, other = versions(FORMAT)
    alice, bob = await join("alice", this), await join("bob", this)
    late = await join("late", other, registered=False)
    await late.send("REGISTER", clientId=late.id)
    await late.expects_error("RATE_LIMITED", "REGISTER")
    await other.logged("Redis holds records of format 1, and this version knows format 2 alone")
    call_id = await alice.talks_to(bob)
    await alice.send("ICE_CANDIDATE", callId=call_id, candidate=CANDIDATE)
    await bob.expects("ICE_CANDIDATE", callId=call_id, candidate=CANDIDATE)
    assert this.stop() == 0
    assert other.log.count("holds records of") == 1
