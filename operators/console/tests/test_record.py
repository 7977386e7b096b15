"""The page of the public record: who sees it, its figures, and what stops the log."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from pytest_django import Settings

from operators.console.tests.conftest import SignIn
from pkd.tests.test_append_only_statements import erase_all
from signaling.cluster import node
from signaling.cluster.node import Node
from tests.support.witness import witnessing
from transparency.guard import Tree
from transparency.keys import current
from transparency.tests.logged import TRUST, accepts, empty_log, set_keys
from transparency.witness_policy import Policy

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = "/admin/console/publicrecord/"


@pytest.fixture
async def logged(transactional_db: None, settings: Settings, tmp_path: Path) -> AsyncIterator[Node]:  # noqa: ARG001
    """The node of a server with a log of three entries."""
    set_keys(settings)
    settings.LOG_GUARD = str(tmp_path / "guard")
    for number in range(3):
        await sync_to_async(accepts)(current(), number)
    yield await node.current()
    await node.stop()
    await sync_to_async(empty_log)()
    await sync_to_async(erase_all)()


async def test_record_is_shown_and_checked(logged: Node, sign_in: SignIn) -> None:
    olga = await sign_in("view_publicrecord")
    text = (await olga.post(f"{PAGE}check/", follow=True)).content.decode()
    assert "Checked and signed" in text
    assert "<td>3</td>" in text
    assert "<td>2</td>" in text
    assert TRUST["vkey"].replace("+", "&#43;") in text or TRUST["vkey"] in text
    assert "lets it go on" in text
    # As of a database that was put back.
    await logged.relay.log.store.keep(TRUST["vkey"], Tree(4, bytes(32)))
    text = (await olga.post(f"{PAGE}check/", follow=True)).content.decode()
    assert "Nothing was signed. The database has 3 entries" in text
    assert "stops the log" in text
    assert (await olga.get(f"{PAGE}check/")).status_code == 405


async def test_witnesses_are_shown(
    logged: Node,
    sign_in: SignIn,
    settings: Settings,  # the node of before is left to its fixture
) -> None:
    with witnessing(TRUST["vkey"], "one.example") as one:
        settings.LOG_WITNESSES = Policy.parse([one.line, "quorum one.example"])
        await node.stop()
        olga = await sign_in("view_publicrecord")
        assert "Witness one.example</th><td>has not cosigned" in (await olga.get(PAGE)).content.decode()
        await olga.post(f"{PAGE}check/", follow=True)
        async with asyncio.timeout(10):
            while "cosigned 3 entries" not in (text := (await olga.get(PAGE)).content.decode()):
                await asyncio.sleep(0.01)
    assert "Witness one.example" in text
    assert logged


async def test_record_is_for_who_may_see_it(sign_in: SignIn) -> None:
    stranger = await sign_in("view_call")
    for response in (await stranger.get(PAGE), await stranger.post(f"{PAGE}check/")):
        assert response.status_code == 403


async def test_page_says_that_there_is_no_record(sign_in: SignIn) -> None:
    response = await (await sign_in("view_publicrecord")).get(PAGE)
    assert "This server has no public record" in response.content.decode()
