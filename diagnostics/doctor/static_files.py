"""The static files of the pages: collected, and those of this version."""

from collections.abc import Iterator

from django.conf import settings

from diagnostics.doctor.finding import Finding, ok, warning
from diagnostics.static_files import uncollected

SUBJECT = "static"


def examine() -> Iterator[Finding]:
    """Look for what `collectstatic` leaves behind; in development nothing is collected."""
    if settings.DEBUG:
        return
    if lacking := uncollected():
        yield warning(SUBJECT, f"files: the pages lack {lacking} and answer 500: run manage.py collectstatic --noinput")
    else:
        yield ok(SUBJECT, "files are collected")
