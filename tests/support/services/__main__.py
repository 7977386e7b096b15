"""Run all tests: those of the database on Postgres behind PgBouncer first, then everything on SQLite.

PgBouncer gives the statement after a commit to another session: nothing of the program may need the one before. Tests
that start servers speak to Postgres directly.
"""

import os
import signal
import subprocess
import sys

from tests.support.services import NotInstalledError, postgres_server
from tests.support.services.pgbouncer import pgbouncer

NO_TESTS_COLLECTED = 5
# Most tests wait, for servers, browsers and clocks. Which go together is said in conftest.py.
SIDE_BY_SIDE = ("--numprocesses", "3", "--dist", "loadscope", "--no-loadscope-reorder")

# With it, as images of containers set it, each of six processes would compile all tests anew.
WITHOUT_BYTECODE = {"PYTHONDONTWRITEBYTECODE"}


def main(arguments: list[str]) -> int:
    """Pass `arguments` to pytest; returns its exit code, the first that is not a success."""
    try:
        with postgres_server() as server, pgbouncer(server.url) as url:
            print("Tests of the database, on Postgres behind PgBouncer", flush=True)
            # The whole server is thrown away, so its database need not be dropped while threads still hold it.
            exit_code = pytest([*SIDE_BY_SIDE, "--reuse-db", *arguments], {"TEST_DATABASE_URL": url})
    except NotInstalledError as missing:
        print(f"Tests of the database run on SQLite only: {missing}", flush=True)
        exit_code = 1 if os.environ.get("CI") == "true" else 0
    if exit_code not in {0, NO_TESTS_COLLECTED}:
        return exit_code
    print("All tests, on SQLite", flush=True)
    return pytest([*SIDE_BY_SIDE, *arguments], {})


def pytest(arguments: list[str], environment: dict[str, str]) -> int:
    """One pytest process: settings are read once per process, so each database needs its own."""
    command = [sys.executable, "-m", "pytest", *arguments]
    inherited = {name: value for name, value in os.environ.items() if name not in WITHOUT_BYTECODE}
    process = subprocess.Popen(command, env=inherited | environment)
    # Pytest must end first, for it ends its services. A terminal sends it Ctrl-C itself.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    return process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
