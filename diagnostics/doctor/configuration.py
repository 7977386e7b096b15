"""The settings, as Django's system checks and ours see them."""

from collections.abc import Iterator

from django.conf import settings
from django.core import checks

from diagnostics.doctor.finding import Finding, failed, ok, warning

SUBJECT = "settings"


def examine() -> Iterator[Finding]:
    """Run the system checks, those for a deploy too unless DEBUG is on."""
    if settings.DEBUG:
        yield warning(SUBJECT, "DEBUG is on, which is for development only: the checks for a deploy were left out.")
    found = checks.run_checks(include_deployment_checks=not settings.DEBUG)
    spoken = [message for message in found if not message.is_silenced() and message.level >= checks.WARNING]
    for message in spoken:
        finding = failed if message.is_serious() else warning
        yield finding(SUBJECT, " ".join(f"{message.msg} {message.hint or ''} ({message.id})".split()))
    if not spoken:
        yield ok(SUBJECT, "the system checks find nothing")
