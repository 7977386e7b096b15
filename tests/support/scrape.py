"""Read the metrics of a running server, as Prometheus would."""

import asyncio
import time
from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

from tests.support.servers import POLL_SECONDS, RunningServer

TOKEN = "a-token-that-only-prometheus-knows"
PATIENCE_SECONDS = 10

Figures = dict[str, float]


def scraped(server: RunningServer, **headers: str) -> str:
    """The text of `/metrics`."""
    status, text = server.get("/metrics", {"Authorization": f"Bearer {TOKEN}", **headers})
    assert status == 200, text
    return text


def figures(server: RunningServer) -> Figures:
    """Every sample by its name with its labels, as Prometheus writes it: `name{label="value"}`."""
    found = {}
    for family in text_string_to_metric_families(scraped(server)):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


class Counting:
    """Counts from here on."""

    def __init__(self, server: RunningServer) -> None:
        self._server = server
        self._before = figures(server)

    async def shows(self, expected: Mapping[str, float]) -> None:
        """These samples must have grown by so much; a server may need a moment to see a client go."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (grown := await self._grown(expected)) != expected:
            assert time.monotonic() < deadline, f"expected {expected}, counted {grown}"
            await asyncio.sleep(POLL_SECONDS)

    async def _grown(self, expected: Mapping[str, float]) -> Figures:
        now = await asyncio.to_thread(figures, self._server)
        return {name: now[name] - self._before[name] for name in expected}
