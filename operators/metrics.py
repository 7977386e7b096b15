"""Serve `GET /metrics`: this process' counters, for Prometheus to scrape with the METRICS_TOKEN.

Each process answers for itself; Prometheus adds them up. No label names a client, a call or an address.
"""

import asyncio
import hmac
from collections.abc import Iterator

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from operators.vitals import Vitals
from signaling import operations
from signaling.telemetry.counters import LABELS, Histogram, counters
from signaling.telemetry.snapshot import Gauges
from turn import ice

# The labels of each family of counters, and what it means.
COUNTERS: dict[str, tuple[tuple[str, ...], str]] = {
    "connections_opened": ((), "WebSocket connections accepted."),
    "connections_closed": (
        ("code", "reason"),
        "WebSocket connections that ended, by close code; 1006 is a connection lost without a close frame.",
    ),
    "connections_refused": (
        ("reason",),
        "WebSocket connections refused: by limits per address, for their origin, path or network, while stopping.",
    ),
    "http_requests_refused": (
        ("reason",),
        "HTTP requests refused: too many of an address, or too many that waited for the database.",
    ),
    "registrations": ((), "Successful REGISTERs, repeated ones of a connection not among them."),
    "messages_received": (
        ("type",),
        'Messages from clients within their rate, by type; "invalid" is what was no message at all.',
    ),
    "messages_sent": (("type",), "Messages to clients, by type: answers, and what was relayed or held for them."),
    "messages_held": ((), "Messages that waited for a client to come back."),
    "messages_dropped": ((), "Candidates that were on their way to a client that went, and found no room to wait in."),
    "messages_not_kept": (
        (),
        "Candidates that were written to a client and not kept until it proved to have read them: there were too many.",
    ),
    "errors_sent": (("code",), "ERROR messages sent, by their code."),
    "requests_unavailable": ((), "RATE_LIMITED errors sent because the database or Redis was away."),
    "calls_opened": ((), "Calls that began to ring."),
    "calls_answered": ((), "Calls that were accepted."),
    "calls_rejected": ((), "Calls that were rejected."),
    "calls_ended": (
        ("reason",),
        'Calls that ended otherwise than by a rejection: by a client ("client") or by the server, with its reason.',
    ),
    "key_publications": (("outcome",), "PKD_REGISTERs carried out: a first key, a changed one, the same again."),
    "key_lookups": (("outcome",), "PKD_LOOKUPs carried out, by whether there was a key."),
    "turn_credentials_minted": ((), "TURN credentials given to clients."),
    "log_lines_lost": (
        ("reason",),
        "Lines that the log lacks: nobody read it while too many waited, or many of their kind came in a minute.",
    ),
    "redis_connects": ((), "Times that Redis was reached; more than one means that it was away."),
    "events_unknown": ((), "Events of processes of another version that this one did not know and returned."),
    "events_returned": ((), "Events of this process that one of another version did not know and returned."),
}
HISTOGRAMS = {
    "hop": (
        "Time from a relayed message's receipt to its write to the peer, or to Redis' word that it has it; "
        "of the first 64 or so in each second."
    ),
    "event_loop_lag": "How late the event loop woke up, four times a second: how long everybody waited.",
}

OPENMETRICS = "application/openmetrics-text"

process_collectors: list[Collector] = [ProcessCollector(registry=None), PlatformCollector(registry=None)]


class Figures(Collector):
    """Collects the signaling server's counters as metrics."""

    def __init__(self, gauges: Gauges, vitals: Vitals) -> None:
        self._gauges = gauges
        self._vitals = vitals

    def collect(self) -> Iterator[Metric]:
        """Yield each family of metrics, read now."""
        yield InfoMetricFamily("securecall_build", "The version that runs.", {"version": settings.VERSION})
        yield from self._now()
        families: dict[str, dict[str, int]] = {}
        for (name, label), value in zip(LABELS, counters.read(), strict=True):
            families.setdefault(name, {})[label] = value
        for name, counts in families.items():
            yield _histogram(name, counts) if name in HISTOGRAMS else _counter(name, counts)

    def _now(self) -> Iterator[Metric]:
        now, vitals = self._gauges, self._vitals
        yield GaugeMetricFamily("securecall_connections", "WebSocket connections open now.", now.connections)
        yield GaugeMetricFamily(
            "securecall_registered_clients", "Clients registered on this process now.", now.registered_clients
        )
        calls = GaugeMetricFamily(
            "securecall_calls", "Open calls whose caller is connected to this process.", labels=["state"]
        )
        calls.add_metric(["ringing"], now.calls_ringing)
        calls.add_metric(["active"], now.calls_active)
        yield calls
        yield from vitals.figures()
        yield GaugeMetricFamily(
            "securecall_turn_configured", "Whether there is a TURN secret to mint with.", bool(settings.TURN.secrets)
        )
        if (provider := ice.provider_state()) is not None:
            yield GaugeMetricFamily(
                "securecall_turn_provider_up", "Whether the TURN provider answered when asked last.", provider.is_up
            )
            yield GaugeMetricFamily(
                "securecall_turn_credentials_left_seconds",
                "For how long the TURN provider's credentials are still good.",
                provider.seconds_left,
            )
        if now.redis_is_up is not None:
            yield GaugeMetricFamily("securecall_redis_up", "Whether Redis can be reached now.", now.redis_is_up)
        if now.redis_is_writable is not None:
            yield GaugeMetricFamily(
                "securecall_redis_writable", "Whether Redis takes what is written to it now.", now.redis_is_writable
            )


async def metrics(request: HttpRequest) -> HttpResponse:
    """Answer a scrape; 404 without the token."""
    if not is_allowed(request.headers.get("Authorization", "")):
        raise Http404
    return await _scrape(request)


@require_safe
async def _scrape(request: HttpRequest) -> HttpResponse:
    gauges = await operations.gauges()
    log = await operations.log_state()
    vitals = Vitals(len(asyncio.all_tasks()), await operations.count_groups(), log, await operations.count_bans())
    # Writing it all down takes longer than the event loop should be kept from relaying.
    # Parameters and weights do not matter: who names it reads it, and Prometheus names it first. The library's own
    # choice raises at a version that it cannot read.
    is_openmetrics = OPENMETRICS in request.headers.get("Accept", "")
    body, content_type = await asyncio.to_thread(render, gauges, vitals, is_openmetrics=is_openmetrics)
    return HttpResponse(body, content_type=content_type, headers={"Cache-Control": "no-store"})


def render(gauges: Gauges, vitals: Vitals, *, is_openmetrics: bool) -> tuple[bytes, str]:
    """Return the metrics and their content type: OpenMetrics, or Prometheus' older text, which every scraper reads."""
    registry = CollectorRegistry()
    GCCollector(registry)
    for collector in (*process_collectors, Figures(gauges, vitals)):
        registry.register(collector)
    if is_openmetrics:
        body: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]  # half of it has types
        return body, openmetrics.CONTENT_TYPE_LATEST
    return generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4


def is_allowed(authorization: str) -> bool:
    """Return whether an `Authorization` header has the METRICS_TOKEN."""
    scheme, _, token = authorization.partition(" ")
    if not settings.METRICS_TOKEN or scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(token.strip().encode(), settings.METRICS_TOKEN.encode())


def _counter(name: str, counts: dict[str, int]) -> CounterMetricFamily:
    labels, meaning = COUNTERS[name]
    family = CounterMetricFamily(f"securecall_{name}", meaning, labels=labels)
    for label, count in counts.items():
        # A close is labelled by its code and its reason.
        values = label.split(" ", 1) if len(labels) > 1 else [label]
        family.add_metric([*values, ""][: len(labels)], count)
    return family


def _histogram(name: str, counts: dict[str, int]) -> HistogramMetricFamily:
    histogram: Histogram = getattr(counters, name)
    buckets, so_far = [], 0
    for bound, count in counts.items():
        so_far += count
        buckets.append((bound, so_far))
    family = HistogramMetricFamily(f"securecall_{name}_seconds", HISTOGRAMS[name])
    family.add_metric([], buckets, histogram.sum_seconds)
    return family
