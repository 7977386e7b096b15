"""System checks: what a deploy lacks, and what to do about it."""

import logging
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core import checks
from django.db import DatabaseError, connection

from diagnostics.schema import first_line, other_directory, unapplied
from diagnostics.static_files import uncollected

logger = logging.getLogger(__name__)

# The checks of what an operator sets. The others are of the code, which `manage.py check` looks at before a release.
START_TAGS = ("settings", checks.Tags.security, checks.Tags.caches)


@checks.register("settings")
def check_replicas(**_: Any) -> list[checks.CheckMessage]:
    """Several processes need shared services to reach each other's clients."""
    return list(_replicas()) if settings.REPLICAS > 1 else []


def _replicas() -> Iterator[checks.CheckMessage]:
    if not settings.REDIS_URL:
        yield checks.Error(
            f"REPLICAS is {settings.REPLICAS}, but without Redis a replica cannot reach the others' clients.",
            hint="Add a Redis service and set REDIS_URL to its address, or set REPLICAS to 1.",
            id="securecall.E001",
        )
    if _on_sqlite():
        yield checks.Error(
            f"REPLICAS is {settings.REPLICAS}, but with SQLite each replica has public keys of its own.",
            hint="Add a Postgres service and set DATABASE_URL to its address, or set REPLICAS to 1.",
            id="securecall.E002",
        )


@checks.register("settings")
def check_turn(**_: Any) -> list[checks.CheckMessage]:
    """Without a relay a call connects only where the two peers reach each other directly."""
    if settings.TURN.secrets:
        return []
    return [
        checks.Warning(
            "TURN_SECRET is not set: clients get no TURN servers, so calls fail between most networks.",
            hint="Set TURN_SECRET to the secret shared with the TURN server, and TURN_URLS to its addresses.",
            id="securecall.W001",
        )
    ]


@checks.register("settings")
def check_railway(**_: Any) -> list[checks.CheckMessage]:
    """Warn of what Railway removes: files at every deploy, and a process that is slow to stop."""
    return list(_railway()) if settings.ON_RAILWAY else []


def _railway() -> Iterator[checks.CheckMessage]:
    if _on_sqlite():
        yield checks.Warning(
            "The database is SQLite: a file on Railway is gone after the next deploy, unless it is on a volume.",
            hint="Add a Postgres service and set DATABASE_URL to ${{Postgres.DATABASE_URL}}.",
            id="securecall.W002",
        )
    if settings.DEBUG:
        yield checks.Warning(
            "DEBUG is on: error pages show the settings to everyone.",
            hint="Remove DEBUG and set SECRET_KEY to a long random string.",
            id="securecall.W003",
        )
    if settings.RAILWAY_DRAIN_SECONDS < settings.DRAIN_SECONDS:
        yield checks.Warning(
            f"Railway kills the server {settings.RAILWAY_DRAIN_SECONDS} seconds after asking it to stop, "
            f"but its clients may take {settings.DRAIN_SECONDS:g} seconds to leave.",
            hint="Set RAILWAY_DEPLOYMENT_DRAINING_SECONDS to more seconds than DRAIN_SECONDS, such as 15.",
            id="securecall.W004",
        )


@checks.register("settings")
def check_temporary_files(**_: Any) -> list[checks.CheckMessage]:
    """Warn of a root that is read-only and has no /tmp."""
    if settings.HAS_TEMPORARY_FILES:
        return []
    return [
        checks.Warning(
            "There is no writable directory for temporary files: whatever is uploaded waits in memory, up to "
            "LIMIT_HTTP_BODY_BYTES each.",
            hint="Mount a writable /tmp, or set TMPDIR to a directory that the server may write to.",
            id="securecall.W009",
        )
    ]


@checks.register("settings", deploy=True)
def check_origins(**_: Any) -> list[checks.CheckMessage]:
    """Browsers send an origin; native apps send none and are not concerned."""
    if not settings.ALLOWED_ORIGINS:
        return [
            checks.Warning(
                "ALLOWED_ORIGINS is empty: a web page may connect only to the host and port that it came from.",
                hint="Set ALLOWED_ORIGINS to the web client's origin, such as https://app.example.com.",
                id="securecall.W005",
            )
        ]
    if "*" in settings.ALLOWED_ORIGINS:
        return [
            checks.Warning(
                "ALLOWED_ORIGINS is *: every web page in the world may connect on behalf of its visitors.",
                hint="Set ALLOWED_ORIGINS to the web client's origin, such as https://app.example.com.",
                id="securecall.W006",
            )
        ]
    return []


def _on_sqlite() -> bool:
    return settings.DATABASE_URL.startswith("sqlite:")


def _schema() -> Iterator[checks.CheckMessage]:
    # Not registered: `migrate` itself runs those, and would refuse what it is to mend.
    try:
        lacking = unapplied()
        other = "" if lacking else other_directory()
    except DatabaseError as error:
        yield checks.Warning(
            f"The database cannot be reached ({first_line(error)}): public keys are refused until it is back; calls go "
            "on without.",
            hint="See that it runs and that DATABASE_URL is its address.",
            id="securecall.W007",
        )
        return
    finally:
        connection.close()
    if lacking:
        yield checks.Error(
            f"The database is older than this program: it lacks {lacking}.",
            hint="Run python manage.py migrate, then start again.",
            id="securecall.E003",
        )
    if other:
        yield checks.Error(
            f"Client IDs belong to keys in a directory named {other}, and DIRECTORY_NAME is "
            f"{settings.DIRECTORY_NAME or 'not set'}: nobody could change them, or anybody could register them.",
            hint=f"Set DIRECTORY_NAME to {other}, which it keeps for ever.",
            id="securecall.E005",
        )


def _static_files() -> Iterator[checks.CheckMessage]:
    # Not registered: a build checks before it collects.
    if not settings.DEBUG and (lacking := uncollected()):
        yield checks.Warning(
            f"The admin's pages, and the demo's, lack {lacking} and answer 500; calls need none.",
            hint="Run python manage.py collectstatic --noinput, then start again.",
            id="securecall.W010",
        )


def report() -> None:
    """Log what the checks of the settings find, one line each; an error stops the start."""
    found = checks.run_checks(tags=START_TAGS, include_deployment_checks=not settings.DEBUG)
    messages = [*found, *_schema(), *_static_files()]
    for message in messages:
        if not message.is_silenced():
            hint = f" {message.hint}" if message.hint else ""
            logger.log(message.level, "%s%s (%s)", message.msg, hint, message.id)
    if any(message.is_serious() and not message.is_silenced() for message in messages):
        # Before the sentence, which the interpreter writes.
        for handler in logging.getLogger().handlers:
            handler.flush()
        raise SystemExit("SecureCall cannot start: see the errors above.")
