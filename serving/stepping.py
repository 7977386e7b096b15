"""Running a coroutine here and now, as far as it goes without waiting."""

import types
from collections.abc import Awaitable, Generator
from functools import partial
from typing import Any


def start(awaitable: Awaitable[None]) -> Awaitable[None] | None:
    """Run a coroutine up to where it waits, without a task; returns what is left of it, for a task to await.

    Raises what the coroutine raises. Before it first waits it must use nothing that asks for the current
    task, such as `asyncio.timeout`.
    """
    coroutine: Any = awaitable
    try:
        waits_for = coroutine.send(None)
    except StopIteration:
        return None
    return _resume(coroutine, waits_for)


@types.coroutine
def _resume(coroutine: Any, waits_for: Any) -> Generator[Any, Any, None]:
    while True:
        try:
            value = yield waits_for
        except BaseException as error:  # noqa: BLE001 -- it is the coroutine's to handle
            go_on = partial(coroutine.throw, error)
        else:
            go_on = partial(coroutine.send, value)
        try:
            waits_for = go_on()
        except StopIteration:
            return
