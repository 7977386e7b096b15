"""A real server, and what is expected of a client's events."""

import asyncio
from collections.abc import Iterator
from typing import TypeVar

import pytest

from securecall_client import Client, Event
from tests.support.servers import RunningServer, server

EVENT_SECONDS = 10
E = TypeVar("E", bound=Event)


@pytest.fixture(scope="session")
def running() -> Iterator[RunningServer]:
    """A server that all tests share, for clients that do not come near its limits."""
    env = {
        "LIMIT_CONNECTIONS_PER_IP": "0",
        "LIMIT_NEW_CONNECTIONS_PER_IP_PER_MINUTE": "0",
        "TURN_SECRET": "a secret between the signaling server and its relay",
        "TURN_URLS": "turn:relay.example.com:3478?transport=udp",
    }
    with server(env=env) as shared:
        yield shared


async def comes(client: Client, kind: type[E]) -> E:
    """Return the client's next event, which must be of this type."""
    async with asyncio.timeout(EVENT_SECONDS):
        event = await anext(client)
    assert isinstance(event, kind), event
    return event
