"""The server that tests on bare sockets share, and the public log of those that have one."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from pytest_django import Settings

from pkd.tests.test_append_only_statements import erase_all
from signaling.cluster import node
from signaling.cluster.node import Node
from signaling.consumers import SignalConsumer
from signaling.tests.wires import Site, site
from transparency.keys import LogKeys, current
from transparency.tests.logged import empty_log, set_keys

SIGNAL: Any = SignalConsumer.as_asgi()


@pytest.fixture
async def where(here: Node) -> AsyncIterator[Site]:
    """A server whose node is of memory, and one on Redis."""
    assert here is await node.current()
    async with site(SIGNAL) as served:
        yield served


@pytest.fixture
async def keys(transactional_db: None, settings: Settings, tmp_path: Path) -> AsyncIterator[LogKeys]:  # noqa: ARG001
    """The keys of a log, and a place for its guard."""
    set_keys(settings)
    settings.LOG_GUARD = str(tmp_path / "guard")
    found = current()
    assert found is not None
    yield found
    await sync_to_async(empty_log)()
    await sync_to_async(erase_all)()
