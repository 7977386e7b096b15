"""Firefox as the tests need it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from webclient.tests.bidi import BidiError
from webclient.tests.conftest import Site
from webclient.tests.firefox import Firefox, FirefoxPage
from webclient.tests.people import PATIENCE_SECONDS

# Other tests drive it too.
pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.long]


@pytest_asyncio.fixture(loop_scope="session")
async def page(firefox: Firefox, memory_site: Site) -> AsyncIterator[FirefoxPage]:
    """A page of a site of ours."""
    opened = await firefox.new_page()
    await opened.goto(f"{memory_site.here.http_url}/health")
    yield opened
    await opened.close()


async def test_script_gets_its_argument_and_gives_its_value(page: FirefoxPage) -> None:
    assert await page.evaluate("1 + 1") == 2
    assert await page.evaluate("Promise.resolve(['ä', null])") == ["ä", None]
    assert await page.evaluate("async ({ text }) => text.length", {"text": "a\n\"'ä"}) == 5
    assert await page.evaluate("undefined") is None


async def test_script_that_throws_fails_with_what_it_threw(page: FirefoxPage) -> None:
    with pytest.raises(BidiError, match="TypeError: this will not do"):
        await page.evaluate("async () => { throw new TypeError('this will not do'); }")


async def test_condition_is_waited_for(page: FirefoxPage) -> None:
    await page.evaluate("setTimeout(() => { window.isDone = true; }, 200) && null")

    await page.until("window.isDone")


async def hears(page: FirefoxPage, complaints: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(page.problems) < complaints:
            await asyncio.sleep(0.02)


async def test_complaints_of_a_page_are_heard(page: FirefoxPage) -> None:
    exceptions: list[str] = []
    page.on_exception(exceptions.append)

    await page.evaluate("console.warn('beware') ?? setTimeout(() => { throw new Error('lost'); }, 0)")

    await hears(page, 2)
    assert page.problems == ["beware", "Error: lost"]
    assert exceptions == ["Error: lost"]


async def test_violation_of_the_policy_is_heard(page: FirefoxPage, memory_site: Site) -> None:
    exceptions: list[str] = []
    page.on_exception(exceptions.append)
    await page.goto(f"{memory_site.here.http_url}/demo/")
    assert page.problems == []

    await page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">')")

    await hears(page, 1)
    (problem,) = page.problems
    assert "style-src-attr" in problem
    assert exceptions == []


async def test_script_runs_before_those_of_the_page(page: FirefoxPage) -> None:
    await page.add_init_script("window.isFirst = document.readyState;")

    await page.goto(await page.evaluate("location.href"))

    assert await page.evaluate("window.isFirst") == "loading"


async def test_pages_share_no_storage_and_are_all_visible(
    page: FirefoxPage, firefox: Firefox, memory_site: Site
) -> None:
    other = await firefox.new_page()
    await other.goto(f"{memory_site.here.http_url}/health")

    await page.evaluate("localStorage.setItem('name', 'alice')")

    assert await other.evaluate("localStorage.getItem('name')") is None
    for each in (page, other):
        assert await each.evaluate("document.visibilityState") == "visible"
    await other.close()


async def test_camera_and_microphone_are_there_without_a_question(page: FirefoxPage) -> None:
    tracks = "({ audio: true, video: true }).then((stream) => stream.getTracks().map(({ kind }) => kind))"
    assert sorted(await page.evaluate(f"navigator.mediaDevices.getUserMedia{tracks}")) == ["audio", "video"]
