"""`manage.py doctor`: tell what this server lacks, and how to mend it."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from diagnostics.arguments import positive_number, signaling_url
from diagnostics.doctor import (
    bans,
    clock,
    configuration,
    database,
    machine,
    proxy,
    public_log,
    redis,
    relay,
    static_files,
)
from diagnostics.doctor.confidential import without_secrets
from diagnostics.doctor.finding import Finding
from diagnostics.outcome import Outcome
from securecall_site import log_guard
from securecall_site.examined import connect_as_the_server
from signaling.admission.client_ip import header
from signaling.admission.host import is_signature_taken
from signaling.delivery.events import FORMAT, KNOWN_FORMAT
from signaling.registry.redis_leases import registry_prefix

SUBJECT_WIDTH = 10


class Command(BaseCommand):
    """Prints a line a finding; the exit status is 0 when nothing has FAILED."""

    help = (
        "Examine the settings, the database, Redis, the TURN servers and this machine, and say how to mend what is ill."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--timeout", type=positive_number, default=5, help="seconds for each answer (5)")
        parser.add_argument(
            "--url", type=signaling_url, help="ask this server through its proxy, by the address that clients use"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, **options: Any) -> None:
        """Examine everything; exits with 1 when something has failed."""
        findings = []
        for finding in examine(options["timeout"], options["url"]):
            finding = Finding(finding.outcome, finding.subject, without_secrets(finding.sentence))  # noqa: PLW2901
            findings.append(finding)
            if not options["json"]:
                self._print(finding)
        is_well = all(finding.outcome is not Outcome.FAILED for finding in findings)
        if options["json"]:
            self.stdout.write(json.dumps({"ok": is_well, "findings": [asdict(finding) for finding in findings]}))
        if not is_well:
            sys.exit(1)

    def _print(self, finding: Finding) -> None:
        label = finding.outcome.label(self.style)
        self.stdout.write(f"{label} {finding.subject:<{SUBJECT_WIDTH}} {finding.sentence.rstrip('.')}.")
        self.stdout.flush()


def examine(seconds: float, url: str | None) -> Iterator[Finding]:
    """Everything there is to say; each answer from outside may take `seconds`. The proxy is asked at `url`."""
    clocks: list[clock.Clock] = []
    yield from configuration.examine()
    yield from static_files.examine()
    takes = partial(is_signature_taken, allowed=settings.ALLOWED_HOSTS, directory=settings.DIRECTORY_NAME)
    yield from proxy.examine(url, seconds, header(), takes)
    yield from database.examine(clocks)
    yield from bans.examine()
    records = redis.Records(registry_prefix(settings.REDIS_PREFIX), FORMAT, KNOWN_FORMAT)
    yield from redis.examine(clocks, seconds, records, connect_as_the_server)
    yield from public_log.examine(log_guard.read)
    yield from relay.examine(seconds)
    yield from clock.examine(clocks)
    yield from machine.examine()
