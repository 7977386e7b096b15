"""Background traffic: pairs that talk, in a process of their own, so that they share only the server with others.

python -m tools.faults.bystanders URL: talks until its standard input ends, then prints how long each message took.
"""

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import cast

from tests.support.people import Person
from tools.faults.system import new_id

PAIRS = 10
SPEAK_SECONDS = 0.15
READY = b"ready\n"


@asynccontextmanager
async def bystanders(url: str) -> AsyncIterator[list[float]]:
    """Pairs that talk meanwhile; what it yields holds afterwards how long each message took, in seconds."""
    hops: list[float] = []
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", __name__, url, stdin=PIPE, stdout=PIPE)
    stdin, stdout = cast("asyncio.StreamWriter", process.stdin), cast("asyncio.StreamReader", process.stdout)
    if await stdout.readline() != READY:
        raise RuntimeError("The bystanders could not begin to talk.")
    try:
        yield hops
    finally:
        stdin.close()
        told = await stdout.read()
        status = await process.wait()
    if status:
        raise RuntimeError("A bystander met something else than its peer's messages; it is said above.")
    hops += json.loads(told)


def from_address(address: str) -> dict[str, Mapping[str, str]]:
    """Come from there, as a trusted proxy tells it."""
    return {"additional_headers": {"X-Real-IP": address}}


async def _talk(speaker: Person, listener: Person, call_id: str, hops: list[float]) -> None:
    while True:
        begin = time.perf_counter()
        await speaker.reaches(listener, call_id)
        hops.append(time.perf_counter() - begin)
        await asyncio.sleep(SPEAK_SECONDS)


async def _main(url: str) -> None:
    hops: list[float] = []
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:

        async def person(number: int) -> Person:
            client = Person(url, new_id("bystander"), **from_address(f"203.0.113.{number}"))
            return await (await stack.enter_async_context(client)).registers()

        talking = []
        for number in range(PAIRS):
            speaker, listener = await person(2 * number), await person(2 * number + 1)
            call_id = await speaker.talks_to(listener)
            talking.append(group.create_task(_talk(speaker, listener, call_id, hops)))
        await asyncio.sleep(0.5)
        sys.stdout.buffer.write(READY)
        sys.stdout.flush()
        hops.clear()
        await asyncio.to_thread(sys.stdin.read)
        for task in talking:
            task.cancel()
    sys.stdout.write(json.dumps(hops))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
