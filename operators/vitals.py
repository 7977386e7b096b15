"""The gauges of a process besides its clients and calls: what would grow if it leaked, and its public log."""

from collections.abc import Iterator
from typing import NamedTuple

from prometheus_client.core import GaugeMetricFamily, Metric

from signaling.operations import LogState


class Vitals(NamedTuple):
    """Counts that grow for as long as a process lives if it leaks, and how the public log is, as this process knows."""

    tasks: int
    groups: int
    log: LogState
    bans: dict[str, int]

    def figures(self) -> Iterator[Metric]:
        """Yield a gauge for each."""
        gauges: tuple[tuple[str, str, float], ...] = (
            ("tasks", "Tasks of the event loop: one a connection, and a few.", self.tasks),
            ("groups", "Groups of the channel layer: one a registered client.", self.groups),
            ("public_log_entries", "Entries of the public log when this process last signed it.", self.log.size),
            (
                "public_log_checkpoint_age_seconds",
                "Time since this process last signed the public log; 0 without a log.",
                self.log.age_seconds,
            ),
            (
                "public_log_stopped",
                "Whether nothing is signed: the database is an older copy, or lacks statements, or the guard is away.",
                bool(self.log.stopped_by),
            ),
            ("public_log_witnesses", "Witnesses that LOG_WITNESSES names.", len(self.log.witnesses)),
            (
                "public_log_witnesses_away",
                "Witnesses that did not cosign the public log when this process last asked them.",
                sum(bool(witness.trouble) for witness in self.log.witnesses),
            ),
            (
                "public_log_quorum_age_seconds",
                "Time since enough witnesses cosigned the public log, as this process knows; 0 without witnesses.",
                self.log.quorum_age_seconds,
            ),
        )
        for name, meaning, value in gauges:
            yield GaugeMetricFamily(f"securecall_{name}", meaning, value)
        bans = GaugeMetricFamily("securecall_bans", "Bans in force, as this process knows.", labels=["kind"])
        for kind, count in self.bans.items():
            bans.add_metric([kind], count)
        yield bans
