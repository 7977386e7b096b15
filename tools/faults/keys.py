"""A directory of a real size on SQLite and Postgres: operators' pages, an export and the upgrade, beside 0.1.0's."""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support.office import sign_in
from tests.support.released import VERSION, released_tree
from tests.support.servers import ROOT, environment, server
from tests.support.services import AS_IT_COMES, postgres_server
from tools.faults.desk import Desk, Export, Page, pages
from tools.faults.findings import Finding, all_of, at_most, noted
from tools.faults.many_keys import fill
from tools.faults.system import RAISED

MOST_PAGE_SECONDS, MOST_UPGRADE_SECONDS, LEAST_KEYS_A_SECOND, MOST_GROWTH_MIB = 0.3, 10, 20_000, 32
# The release needs seconds for a page and minutes for an export.
RELEASE_SECONDS = 15
NOWHERE = Path("unused")
MIGRATE = ("manage.py", "migrate", "--skip-checks", "--verbosity", "0")
# As a deploy is, with its static files.
DEPLOYED = "tests.support.collected"


class Version(NamedTuple):
    """Some version's code and static files, how often each page is opened, and for how long its export is read."""

    code: Path
    static: Path
    times: int = 5
    export_seconds: float = float("inf")


class Measured(NamedTuple):
    """Figures of a version: seconds for each page, how many of these showed what they are to show, and an export."""

    seconds: dict[str, float]
    right: int
    export: Export


class Compared(NamedTuple):
    """Figures of one database: those of the release, the seconds of the upgrade, and those of this version after it."""

    database: str
    before: Measured
    upgrade_seconds: float
    after: Measured


async def keys(size: int, *, has_goals: bool = True) -> list[Finding]:
    """Measure the release on a directory of so many keys, and this version on the same one, upgraded."""
    compared = await asyncio.to_thread(_compared, size)
    findings = []
    for one in compared:
        took = _times(one, size)
        findings += [*_counts(one, size), *(took if has_goals else [noted(row.what, row.measured) for row in took])]
    return findings


def _compared(size: int) -> list[Compared]:
    with tempfile.TemporaryDirectory(prefix="securecall-") as name:
        folder = Path(name)
        for part in ("code", "before", "after"):
            (folder / part).mkdir()
        code = released_tree(folder / "code")
        versions = Version(code, folder / "before", 1, RELEASE_SECONDS), Version(ROOT, folder / "after")
        for version in versions:
            _run(version.code, {"COLLECTED": str(version.static)}, "-m", DEPLOYED)
        compared = []
        for database in ("SQLite", "Postgres"):
            with _database(database, folder) as url:
                compared.append(_compared_on(database, {"DATABASE_URL": url, **RAISED}, versions, size))
        return compared


@contextmanager
def _database(name: str, folder: Path) -> Iterator[str]:
    """Give the URL of an empty database that waits for its disk as it would elsewhere."""
    if name == "SQLite":
        yield f"sqlite:///{folder}/db.sqlite3"
        return
    with postgres_server() as postgres:
        postgres.stop()
        postgres.options = AS_IT_COMES
        postgres.start()
        yield postgres.url


def _compared_on(database: str, env: dict[str, str], versions: tuple[Version, Version], size: int) -> Compared:
    release, ours = versions
    _run(release.code, env, *MIGRATE)
    fill(env["DATABASE_URL"], size)
    session = sign_in(environment(NOWHERE, env | {"DEBUG": "1"}))
    before = _measured(env, release, session, size)
    begin = time.perf_counter()
    _run(ours.code, env, *MIGRATE)
    upgrade = time.perf_counter() - begin
    return Compared(database, before, upgrade, _measured(env, ours, session, size))


def _run(code: Path, env: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, *arguments]
    subprocess.run(command, cwd=code, check=True, env=environment(NOWHERE, env), stderr=subprocess.DEVNULL)


def _measured(env: dict[str, str], version: Version, session: str, size: int) -> Measured:
    env = {**env, "COLLECTED": str(version.static)}
    with server(env=env, cwd=version.code, application=f"{DEPLOYED}:application") as running:
        desk = Desk(running, session)
        # What a process reads once is read.
        desk.open("/admin/")
        seconds, right = {}, 0
        for page in pages(size):
            took, shown = _opened(desk, page, version.times)
            seconds[page.what] = statistics.median(took)
            right += page.shows in shown
        return Measured(seconds, right, desk.export(version.export_seconds))


def _opened(desk: Desk, page: Page, times: int) -> tuple[list[float], str]:
    """Open a page again and again; return how long each took, and what it shows."""
    took, shown = [], ""
    for _ in range(times):
        begin = time.perf_counter()
        shown = desk.open(page.path)
        took.append(time.perf_counter() - begin)
    return took, shown


def _counts(compared: Compared, size: int) -> list[Finding]:
    database, _, _, after = compared
    return [
        all_of(f"{database}: Pages that show what they are to show", after.right, len(after.seconds)),
        all_of(f"{database}: Keys of the export", after.export.lines, size),
    ]


def _times(compared: Compared, size: int) -> list[Finding]:
    database, before, upgrade_seconds, after = compared
    findings = []
    for page in pages(size):
        what = f"{database}: {page.what}; {VERSION}: {before.seconds[page.what]:,.2f} s"
        seconds = after.seconds[page.what]
        has_goal = page.has_goal
        findings.append(at_most(what, seconds, MOST_PAGE_SECONDS, "s") if has_goal else noted(what, f"{seconds:.2f} s"))
    rate, kept = after.export.rate, after.export.rate >= LEAST_KEYS_A_SECOND
    exported = f"{database}: Keys exported in a second; {VERSION}: {before.export.rate:,.0f}"
    return [
        *findings,
        Finding(exported, f"≥ {LEAST_KEYS_A_SECOND:,}", f"{rate:,.0f}", kept),
        at_most(f"{database}: By how much the process grew meanwhile", after.export.grown_mib, MOST_GROWTH_MIB, "MiB"),
        at_most(f"{database}: The upgrade from {VERSION}", upgrade_seconds, MOST_UPGRADE_SECONDS, "s"),
    ]
