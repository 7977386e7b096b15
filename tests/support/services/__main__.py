"""Run all tests on SQLite, and beside them those of the database on Postgres behind PgBouncer.

PgBouncer gives the statement after a commit to another session: nothing of the program may need the one before. Tests
that start servers speak to Postgres directly.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from tests.support.services import NotInstalledError, postgres_server
from tests.support.services.pgbouncer import pgbouncer

NO_TESTS_COLLECTED = 5
# Most tests wait, for servers, browsers and clocks. Which go together is said in conftest.py.
SIDE_BY_SIDE = ("--numprocesses", "4", "--dist", "loadscope", "--no-loadscope-reorder")
# The whole server is thrown away, so its database need not be dropped while threads still hold it.
ON_POSTGRES = ("--numprocesses", "0", "--reuse-db")

# With it, as images of containers set it, each process would compile all tests anew.
WITHOUT_BYTECODE = {"PYTHONDONTWRITEBYTECODE"}

Running = subprocess.Popen[bytes]


def main(arguments: list[str]) -> int:
    """Pass `arguments` to pytest; returns its exit code, the first that is not a success."""
    # Pytest must end first, for it ends its services. A terminal sends it Ctrl-C itself.
    signal.signal(signal.SIGINT, lambda *_: None)
    with tempfile.TemporaryFile() as output:
        try:
            with on_postgres(arguments, output) as of_database:
                exit_codes = [on_sqlite(arguments, of_database), of_database.wait()]
        except NotInstalledError as missing:
            output.write(f"Tests of the database run on SQLite only: {missing}\n".encode())
            exit_codes = [on_sqlite(arguments), 1 if os.environ.get("CI") == "true" else 0]
        output.seek(0)
        print("Tests of the database, on Postgres behind PgBouncer", flush=True)
        sys.stdout.buffer.write(output.read())
    # One part may have none of the tests that were asked for.
    return next((code for code in exit_codes if code not in {0, NO_TESTS_COLLECTED}), min(exit_codes))


def on_sqlite(arguments: list[str], *others: Running) -> int:
    """Run the tests on SQLite; `others` are ended with them."""
    print("All tests, on SQLite", flush=True)
    running = pytest([*SIDE_BY_SIDE, *arguments], {})

    def end_all(*_: object) -> None:
        for process in (running, *others):
            process.terminate()

    signal.signal(signal.SIGTERM, end_all)
    return running.wait()


@contextmanager
def on_postgres(arguments: list[str], output: IO[bytes]) -> Iterator[Running]:
    """Run the tests of the database while the block runs; what they print goes to `output`."""
    with postgres_server() as server, pgbouncer(server.url) as url:
        yield pytest([*ON_POSTGRES, *arguments], {"TEST_DATABASE_URL": url}, output)


def pytest(arguments: list[str], environment: dict[str, str], output: IO[bytes] | None = None) -> Running:
    """Start one pytest process: settings are read once per process, so each database needs its own."""
    command = [sys.executable, "-m", "pytest", *arguments]
    inherited = {name: value for name, value in os.environ.items() if name not in WITHOUT_BYTECODE}
    return subprocess.Popen(command, env=inherited | environment, stdout=output)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
