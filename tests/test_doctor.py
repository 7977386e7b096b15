"""`manage.py doctor` as an operator runs it, on databases that are well and ill."""

import json
import socket
import sqlite3
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.servers import ROOT, database_template, environment, migrate
from tests.support.services import Coturn, new_database
from tests.support.services.pgbouncer import pgbouncer

WRITE_VERSION = 18  # where in a file of SQLite's; above 2 the file is to be read only (fileformat2, section 1.3.4)


def doctor(env: dict[str, str], *options: str, limit: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command with these variables and nothing else; `limit` is a ulimit to run it under."""
    command = f"{limit} exec {sys.executable} manage.py doctor {' '.join(options)}"
    return subprocess.run(["sh", "-c", command], cwd=ROOT, env=env, capture_output=True, text=True, check=False)


Findings = dict[str, list[tuple[str, str]]]


def all_findings(env: dict[str, str], limit: str = "") -> tuple[int, Findings]:
    """The exit status, and outcome and sentence of what is found about each subject."""
    finished = doctor(env, "--json", "--timeout", "2", limit=limit)
    assert not finished.stderr, finished.stderr
    found: Findings = defaultdict(list)
    for line in json.loads(finished.stdout)["findings"]:
        found[line["subject"]].append((line["outcome"], line["sentence"]))
    return finished.returncode, found


def findings(env: dict[str, str], subject: str) -> tuple[int, list[tuple[str, str]]]:
    """The exit status, and outcome and sentence of what is found about a subject."""
    status, found = all_findings(env)
    return status, found[subject]


@pytest.fixture
def sqlite(tmp_path: Path) -> Path:
    """A migrated database in a file of the test's own."""
    path = tmp_path / "db.sqlite3"
    path.write_bytes(database_template().read_bytes())
    return path


@pytest.fixture
def empty_postgres(postgres_url: str) -> Iterator[str]:
    """The URL of a new database, without a table."""
    with new_database(postgres_url) as url:
        yield url


def test_doctor_finds_a_complete_server_well(
    empty_postgres: str, redis_url: str, coturn_server: Coturn, tmp_path: Path
) -> None:
    env = environment(tmp_path) | {
        "DATABASE_URL": empty_postgres,
        "REDIS_URL": redis_url,
        "TURN_SECRET": coturn_server.secrets[0],
        "TURN_URLS": coturn_server.url("tcp"),
        "ALLOWED_ORIGINS": "https://app.example.com",
    }
    with pgbouncer(empty_postgres) as pooled:
        status, of_database = findings(env | {"DATABASE_URL": pooled}, "database")
    assert status == 1
    assert any("is behind a pooler such as PgBouncer" in sentence for _, sentence in of_database)
    assert any("lacks " in sentence and "migrations (" in sentence for _, sentence in of_database)
    migrate(env)

    finished = doctor(env)

    assert (finished.returncode, finished.stderr) == (0, "")
    assert "FAILED" not in finished.stdout
    for line in (
        "ok       settings   the system checks find nothing.",
        "ok       database   every migration is applied.",
        "ok       database   is connected to directly, without a pooler.",
        "ok       redis      keeps what it is given (noeviction).",
        f"ok       turn       {coturn_server.url('tcp')} gives a relay address in ",
        "ok       clock      agrees with Redis's within ",
        "ok       clock      agrees with Postgres's within ",
        "ok       disk       ",
    ):
        assert line in finished.stdout
    secret = (coturn_server.secrets[0], urlsplit(empty_postgres).password or "?", env["SECRET_KEY"])
    assert not any(word in finished.stdout for word in secret)


@pytest.fixture(scope="module")
def of_mistakes(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Findings]:
    """What is found where much is wrong: asked once, as it takes a process."""
    path = tmp_path_factory.mktemp("doctor") / "db.sqlite3"
    path.write_bytes(database_template().read_bytes())
    variables = {
        "REPLICAS": "2",
        "STUN_URLS": "stuns:stun.example.com",
        "TURN_URLS": "turn:turn.example.com:993,turns:192.0.2.1",
    }
    return all_findings(environment(path, variables), limit="ulimit -n 200;")


def test_doctor_repeats_what_the_checks_for_a_deploy_say(of_mistakes: tuple[int, Findings]) -> None:
    status, found = of_mistakes

    assert status == 1
    of_settings = found["settings"]
    assert {outcome for outcome, _ in of_settings} == {"FAILED", "warning"}
    assert any("Add a Redis service and set REDIS_URL" in said for outcome, said in of_settings if outcome == "FAILED")
    assert any("ALLOWED_ORIGINS is empty" in said for outcome, said in of_settings if outcome == "warning")


def test_doctor_says_which_urls_end_calls(of_mistakes: tuple[int, Findings]) -> None:
    _, found = of_mistakes

    failures = [said for outcome, said in found["settings"] if outcome == "FAILED" and "_URLS" in said]
    assert [sentence.partition(",")[0] for sentence in failures] == [
        "STUN_URLS has a stuns: URI",
        "TURN_URLS has port 993",
    ]
    assert any(
        "which Firefox leaves out" in sentence for outcome, sentence in found["settings"] if outcome == "warning"
    )


def test_doctor_says_that_too_few_files_may_be_open(of_mistakes: tuple[int, Findings]) -> None:
    _, found = of_mistakes

    sentence = "a process may open 200, and each connection is one: raise ulimit -n"
    assert [(outcome, said[: len(sentence)]) for outcome, said in found["open files"]] == [("FAILED", sentence)]


def test_doctor_finds_a_sqlite_file_well_and_names_a_host_whose_origin_is_refused(sqlite: Path) -> None:
    env = environment(sqlite, {"ALLOWED_HOSTS": "served.example", "ALLOWED_ORIGINS": "capacitor://localhost"})

    status, found = all_findings(env)

    assert status == 0
    assert [outcome for outcome, _ in found["database"]] == ["ok", "ok", "ok"]
    with sqlite3.connect(sqlite) as connection:
        assert not connection.execute("SELECT 1 FROM sqlite_schema WHERE name LIKE 'doctor%'").fetchall()
    connection.close()
    assert any("Add https://served.example to ALLOWED_ORIGINS" in said for _, said in found["settings"])


def test_doctor_says_that_the_database_cannot_be_opened(tmp_path: Path) -> None:
    status, of_database = findings(environment(tmp_path / "missing" / "db.sqlite3"), "database")

    assert status == 1
    assert of_database == [
        (
            "FAILED",
            "does not open (unable to open database file): check DATABASE_URL, and that the database runs",
        )
    ]


def test_doctor_says_that_the_file_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "db.sqlite3").write_bytes(b"not a database, but as long as the header of one is" * 100)

    _, of_database = findings(environment(tmp_path / "db.sqlite3"), "database")

    assert [outcome for outcome, _ in of_database] == ["FAILED"]
    assert "file is not a database" in of_database[0][1]


def test_doctor_says_that_the_database_takes_no_writes(sqlite: Path) -> None:
    content = bytearray(sqlite.read_bytes())
    content[WRITE_VERSION] = 3
    sqlite.write_bytes(content)

    status, of_database = findings(environment(sqlite), "database")

    assert status == 1
    assert any("readonly database" in sentence for outcome, sentence in of_database if outcome == "FAILED")


def test_doctor_says_that_postgres_is_away_without_its_password(tmp_path: Path) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"postgres://user:hunter2@127.0.0.1:{bound.getsockname()[1]}/securecall"
        finished = doctor(environment(tmp_path) | {"DATABASE_URL": url})

    assert finished.returncode == 1
    assert "FAILED   database   does not open (connection failed" in finished.stdout
    assert "Connection refused" in finished.stdout
    assert "hunter2" not in finished.stdout + finished.stderr


def test_doctor_says_that_postgres_refuses_the_password(postgres_url: str, tmp_path: Path) -> None:
    url = postgres_url.replace(urlsplit(postgres_url).password or "?", "hunter2")

    finished = doctor(environment(tmp_path) | {"DATABASE_URL": url})

    assert "password authentication failed" in finished.stdout
    assert "hunter2" not in finished.stdout + finished.stderr


def test_doctor_leaves_the_checks_for_a_deploy_out_in_development(sqlite: Path) -> None:
    _, of_settings = findings(environment(sqlite, {"DEBUG": "1"}), "settings")

    assert not any("ALLOWED_ORIGINS" in sentence for _, sentence in of_settings)
    assert any("DEBUG is on" in sentence for _, sentence in of_settings)
