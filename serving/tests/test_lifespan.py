import asyncio
import logging
from typing import Any

import pytest

from serving.lifespan import Lifespan


class BrokenError(Exception):
    """A bug in the application."""


class Application:
    """Answers lifespan events, and notes them."""

    def __init__(self, answer: str = "complete", fault_at: str = "") -> None:
        self.answer = answer
        self.fault_at = fault_at
        self.heard: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "lifespan"
        while True:
            kind = (await receive())["type"]
            self.heard.append(kind)
            if kind == self.fault_at:
                raise BrokenError
            await send({"type": f"{kind}.{self.answer}", "message": "the disk is full"})


async def test_application_hears_of_the_start_and_of_the_stop() -> None:
    application = Application()
    lifespan = Lifespan(application)
    await lifespan.start_up()
    assert application.heard == ["lifespan.startup"]
    await lifespan.shut_down()
    assert application.heard == ["lifespan.startup", "lifespan.shutdown"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_application_that_cannot_start_ends_the_server_with_its_message() -> None:
    with pytest.raises(SystemExit, match="the disk is full"):
        await Lifespan(Application("failed")).start_up()


async def test_application_that_returns_has_no_lifespan() -> None:
    async def application(*_: Any) -> None:
        return

    lifespan = Lifespan(application)
    await lifespan.start_up()
    await lifespan.shut_down()


async def test_application_that_raises_at_the_start_has_no_lifespan(caplog: pytest.LogCaptureFixture) -> None:
    application = Application(fault_at="lifespan.startup")
    lifespan = Lifespan(application)
    await lifespan.start_up()
    await lifespan.shut_down()
    assert application.heard == ["lifespan.startup"]
    assert caplog.records == []


async def test_application_that_raises_at_the_stop_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    lifespan = Lifespan(Application(fault_at="lifespan.shutdown"))
    await lifespan.start_up()
    await lifespan.shut_down()
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
