"""Connecting to a host of several addresses: the first one that answers, not the first one listed (RFC 8305).

An IPv6 address that drops every packet stands before a good IPv4 one on many networks. asyncio can do this where its
own event loop runs; uvloop, which uvicorn prefers where it is installed, cannot.
"""

import asyncio
import itertools
import socket
from collections.abc import Iterable
from typing import Any

# RFC 8305, section 5.
ATTEMPT_DELAY_SECONDS = 0.25

Info = tuple[Any, ...]


async def open_socket(host: str, port: int) -> socket.socket:
    """Connect to the address of a host that answers first; a further one is tried each quarter of a second.

    Raises the first address' `OSError` when none answers.
    """
    loop = asyncio.get_running_loop()
    infos = iter(alternating(await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
    pending: set[asyncio.Task[socket.socket]] = set()
    failures: list[BaseException] = []
    try:
        while (info := next(infos, None)) is not None or pending:
            if info is not None:
                pending.add(loop.create_task(_connect(loop, info)))
            delay = None if info is None else ATTEMPT_DELAY_SECONDS
            done, pending = await asyncio.wait(pending, timeout=delay, return_when=asyncio.FIRST_COMPLETED)
            if connected := [task.result() for task in done if task.exception() is None]:
                _close(connected[1:])
                return connected[0]
            failures += [error for task in done if (error := task.exception()) is not None]
    finally:
        for task in pending:
            task.cancel()
        late = await asyncio.gather(*pending, return_exceptions=True)
        _close(one for one in late if isinstance(one, socket.socket))
    raise failures[0] if failures else OSError(f"{host} has no address")


def alternating(infos: Iterable[Info]) -> list[Info]:
    """Order addresses by turns of the two families, beginning with that of the first (RFC 8305, section 4)."""
    families: dict[int, list[Info]] = {}
    for info in infos:
        families.setdefault(info[0], []).append(info)
    rounds = itertools.zip_longest(*families.values())
    return [info for turn in rounds for info in turn if info is not None]


async def _connect(loop: asyncio.AbstractEventLoop, info: Info) -> socket.socket:
    family, kind, protocol, _, address = info
    connecting = socket.socket(family, kind, protocol)
    try:
        connecting.setblocking(False)  # noqa: FBT003 -- the socket module's
        await loop.sock_connect(connecting, address)
    except BaseException:
        connecting.close()
        raise
    return connecting


def _close(sockets: Iterable[socket.socket]) -> None:
    for one in sockets:
        one.close()
