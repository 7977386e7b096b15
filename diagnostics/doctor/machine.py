"""Examine what the machine has left: room on the disk, and files that a process may open (a connection is one)."""

import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db import connection

from diagnostics.doctor.finding import Finding, failed, ok, warning

DISK, FILES = "disk", "open files"
MIB = 1024 * 1024
LITTLE_MIB, LEAST_MIB = 1024, 100
# What a platform lets one service have, and a machine that was set up for it.
MANY_FILES = 10_000
LEAST_FILES = 256


def examine() -> Iterator[Finding]:
    """Look at the disk of the database (or of the code, where the database is elsewhere) and at the limit."""
    name = connection.settings_dict["NAME"] if connection.vendor == "sqlite" else None
    directory = Path(name).parent if name else Path(settings.BASE_DIR)
    if directory.exists():
        yield disk(shutil.disk_usage(directory).free // MIB)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield files(soft)


def disk(free_mib: int) -> Finding:
    """Judge the room on a disk."""
    if free_mib < LEAST_MIB:
        return failed(DISK, f"{free_mib:,} MiB are free: make room, or writes will fail")
    if free_mib < LITTLE_MIB:
        return warning(DISK, f"{free_mib:,} MiB are free: make room before there is none")
    return ok(DISK, f"{free_mib / 1024:,.1f} GiB are free")


def files(limit: int) -> Finding:
    """Judge the limit of open files."""
    if limit == resource.RLIM_INFINITY:
        return ok(FILES, "a process may open any number")
    sentence = f"a process may open {limit:,}"
    if limit < MANY_FILES:
        finding = failed if limit < LEAST_FILES else warning
        return finding(FILES, f"{sentence}, and each connection is one: raise ulimit -n to {MANY_FILES:,} or more")
    return ok(FILES, sentence)
