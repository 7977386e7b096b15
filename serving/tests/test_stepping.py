import asyncio

import pytest

from serving.stepping import start


async def test_start_runs_what_does_not_wait_to_its_end() -> None:
    done = []

    async def act() -> None:
        done.append("acted")

    assert start(act()) is None
    assert done == ["acted"]


async def test_start_leaves_what_waits_to_a_task() -> None:
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    done = []

    async def act() -> None:
        done.append("before")
        done.append(await future)
        async with asyncio.timeout(1):
            await asyncio.sleep(0)
        done.append("in a task")

    rest = start(act())
    assert rest is not None
    assert done == ["before"]
    asyncio.get_running_loop().call_soon(future.set_result, "after")
    await rest
    assert done == ["before", "after", "in a task"]


async def test_start_raises_what_comes_before_the_first_wait() -> None:
    async def fail() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        start(fail())


async def test_start_passes_on_what_comes_after_it() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def fail() -> None:
        await future

    rest = start(fail())
    assert rest is not None
    future.set_exception(LookupError())
    with pytest.raises(LookupError):
        await rest


async def test_start_lets_what_waits_be_cancelled() -> None:
    ended = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def await_rest() -> None:
        rest = start(wait())
        assert rest is not None
        await rest

    task = asyncio.create_task(await_rest())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]
