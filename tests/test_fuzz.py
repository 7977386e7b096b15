"""A share of what `python -m tools.fuzz` sends, to both servers."""

from collections.abc import Iterator

import pytest

from tests.support.servers import Kind, RunningServer, server
from tools.fuzz.servers import UNLIMITED, trouble_in
from tools.fuzz.sockets import Fuzzer

INPUTS = 2_000
SEED = 20_261_124


@pytest.fixture(params=["ours", "uvicorn"])
def fuzzed(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    kind: Kind = request.param
    with server(kind, env=UNLIMITED) as running:
        yield running


def test_server_stands_whatever_is_sent(fuzzed: RunningServer) -> None:
    fuzzer = Fuzzer(fuzzed.port, fuzzed.process.pid, SEED)
    fuzzer.run(INPUTS)
    assert fuzzed.is_healthy()
    assert trouble_in(fuzzed.log) == []
