"""The content security policy, where it matters: in a browser."""

import pytest

from webclient.tests.browsers import Visit
from webclient.tests.conftest import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("path", ["/demo/", "/admin/"])
async def test_page_keeps_to_the_policy(path: str, memory_site: Site, visit: Visit) -> None:
    alice = await visit("alice", memory_site.here)

    await alice.opens(path)

    assert alice.problems == []


async def test_violation_of_the_policy_does_not_go_unnoticed(memory_site: Site, visit: Visit) -> None:
    alice = await (await visit("alice", memory_site.here)).opens()

    async with alice.page.expect_console_message():
        await alice.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">')")

    assert any("Content Security Policy" in problem for problem in alice.problems)
    alice.problems.clear()
