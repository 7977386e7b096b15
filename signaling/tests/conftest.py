"""The server that tests on bare sockets share."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from signaling.cluster import node
from signaling.cluster.node import Node
from signaling.consumers import SignalConsumer
from signaling.tests.wires import Site, site

SIGNAL: Any = SignalConsumer.as_asgi()


@pytest.fixture
async def where(here: Node) -> AsyncIterator[Site]:
    """A server whose node is of memory, and one on Redis."""
    assert here is await node.current()
    async with site(SIGNAL) as served:
        yield served
