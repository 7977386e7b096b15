"""The server's public record as a client meets it: kept, checked with, asked about, and compared with an auditor's."""

from typing import Any

import pytest

from tests.support.kept_record import ANOTHER_KEY
from tests.support.made_log import MadeLog, vkey
from webclient.tests.library.clients import Client
from webclient.tests.library.conftest import LONG_IN_FIREFOX, OpenAnyClient, OpenClient
from webclient.tests.library.keeping import KEEP
from webclient.tests.library.liar import Liar

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.long]

OWNING = {"claimsId": True}


async def looks_up(client: Client[Any], peer: Client[Any]) -> tuple[str, bool]:
    found = await client.does(f"client.lookUpPeerKey('{peer.id}')")
    return found["status"], found["isRecorded"]


async def keeps(client: Client[Any], **change: Any) -> dict[str, Any]:
    """Return what the client's browser keeps of the server, after some of it was changed."""
    kept: dict[str, Any] = await client.does(KEEP, [await client.does("client.url"), change])
    return kept


async def again(client: Client[Any], **options: Any) -> Client[Any]:
    """Load the page anew."""
    return await (await client.starts(**options)).connects()


@LONG_IN_FIREFOX
async def test_what_the_server_says_agrees_with_its_record(open_any_client: OpenAnyClient, liar: Liar) -> None:
    alice, bob = await open_any_client("alice", **OWNING), await open_any_client("bob", liar.port)
    carol = await open_any_client("carol")
    assert await looks_up(bob, alice) == ("new", True)
    # Nobody owns the name, so the server could say what it likes.
    assert await looks_up(bob, carol) == ("new", False)
    told = await bob.expects("record", state="checked")
    assert (told["logKey"], told["auditedAt"]) == (vkey(), None)
    kept = await keeps(bob)
    assert (kept["log"]["vkey"], kept["directory"]) == (vkey(), "calls.example.org")
    assert kept["log"]["size"] >= 1
    await alice.does("client.replaceIdentity()")
    assert await looks_up(bob, alice) == ("moved", True)
    assert liar.heard("PKD_LOOKUP")[-1] == {"clientId": alice.id, "after": 0, "size": kept["log"]["size"]}
    assert (await keeps(bob))["log"]["size"] > kept["log"]["size"]
    assert await bob.does("events.filter(({ type }) => type === 'record').length") == 1


async def test_older_answer_is_refused_and_so_is_one_without_a_proof(open_client: OpenClient, liar: Liar) -> None:
    alice, bob = await open_client("alice", **OWNING), await open_client("bob", liar.port)
    answers: list[dict[str, Any]] = []
    liar.lies("PKD_RESULT", lambda it: answers.append(it) or it)  # type: ignore[func-returns-value]
    assert await looks_up(bob, alice) == ("new", True)
    old = answers[-1]
    await alice.does("client.replaceIdentity()")
    assert await looks_up(bob, alice) == ("moved", True)
    for lie in (
        old,
        {name: it for name, it in answers[-1].items() if name != "proof"},
        {"clientId": alice.id, "publicKey": None},
    ):
        liar.lies("PKD_RESULT", lambda _, lie=lie: lie)  # type: ignore[misc]
        assert await looks_up(bob, alice) == ("refused", False)
        evidence = await bob.expects("evidence", clientId=alice.id)
        assert (evidence["answers"], evidence["log"]["vkey"]) == ([lie], vkey())


async def test_record_that_was_replaced_is_asked_about_and_pins_stay(open_client: OpenClient, liar: Liar) -> None:
    alice, bob = await open_client("alice", **OWNING), await open_client("bob", liar.port)
    assert await looks_up(bob, alice) == ("new", True)
    await keeps(bob, log={"vkey": ANOTHER_KEY})
    assert await looks_up(bob, alice) == ("refused", False)
    told = await bob.expects("record", state="replaced")
    assert told["logKey"] == ANOTHER_KEY
    assert told["sentence"].startswith("The public record was replaced.")
    await bob.does("client.acceptRecord()")
    assert await looks_up(bob, alice) == ("known", True)
    kept = await keeps(bob)
    assert ([one["vkey"] for one in kept["replaced"]], kept["log"]["vkey"]) == ([ANOTHER_KEY], vkey())


async def test_application_that_knows_the_record_takes_no_other(open_client: OpenClient, liar: Liar) -> None:
    alice, bob = await open_client("alice", **OWNING), await open_client("bob", connected=False)
    liar.shows("/log/key", None)
    bob.port = liar.port
    await again(bob, logKey=vkey())
    assert await looks_up(bob, alice) == ("new", True)
    await bob.starts(logKey=ANOTHER_KEY)
    await bob.does("client.connect()")
    assert (await bob.expects("record", state="replaced"))["logKey"] == vkey()
    await bob.expects("error", code="record-replaced")
    assert await looks_up(bob, alice) == ("refused", False)


async def test_page_that_cannot_fetch_the_key_is_told_and_works_as_without(open_client: OpenClient, liar: Liar) -> None:
    alice = await open_client("alice", **OWNING)
    liar.shows("/log/key", None)
    bob = await open_client("bob", liar.port)
    await bob.expects("warning", code="record-unavailable")
    assert await looks_up(bob, alice) == ("new", False)
    assert await bob.does("events.filter(({ type }) => type === 'warning').length") == 1
    liar.shows("/log/key", f"{vkey()}\n")
    await again(bob)
    assert await looks_up(bob, alice) == ("known", True)


async def test_auditor_sees_the_same_record_or_there_is_an_alarm(open_client: OpenClient, liar: Liar) -> None:
    bob = await open_client("bob", connected=False)
    bob.port = liar.port
    auditing = {"auditorUrl": "/log/checkpoint"}
    await again(bob, **OWNING, **auditing)
    told = await bob.expects("record", state="audited")
    assert told["auditedAt"] is not None
    # Once a day.
    audited = MadeLog().fill(1).checkpoint(told["auditedAt"] / 1000, 1)
    liar.shows("/audited", audited)
    await again(bob, auditorUrl="/audited")
    await bob.expects("record", state="checked")
    await keeps(bob, comparedAt=0)
    await bob.starts(auditorUrl="/audited")
    await bob.does("client.connect()")
    told = await bob.expects("record", state="split")
    assert told["sentence"].startswith("The server shows you another public record")
    evidence = await bob.expects("evidence", clientId=bob.id)
    assert (evidence["checkpoint"], evidence["sentence"].partition(":")[0]) == (audited, "The public record forked")
    await bob.expects("error", code="refused-answer")


async def test_wrong_clock_is_told_and_is_no_alarm_of_the_owner(open_client: OpenClient) -> None:
    alice = await open_client("alice", connected=False)
    await alice.page.clock.install()
    await again(alice, **OWNING)
    await alice.expects("ownership", state="owner")
    await alice.page.clock.fast_forward("02:00:00")
    await alice.does("client.disconnect()")
    await alice.does("client.connect()")
    assert "clock" in (await alice.expects("evidence", clientId=alice.id))["sentence"]
    await alice.expects("error", code="refused-answer")
    assert await alice.does("events.filter(({ state }) => state === 'changed').length") == 0
