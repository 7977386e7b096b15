"""A server on a root that is read-only, without a directory for temporary files."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.office import Office, sign_in
from tests.support.servers import (
    ROOT,
    RunningServer,
    announced_port,
    become_healthy,
    database_template,
    environment,
    run,
)

# A namespace of its own, in which nothing can be written but the database.
NAMESPACE = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
READ_ONLY = """set -e
mount --make-rprivate /
mount --bind {folder} /mnt
for directory in /tmp /var/tmp /usr/tmp /dev/shm {root}; do
  if [ -d $directory ]; then mount --bind $directory $directory; mount -o remount,ro,bind $directory; fi
done
cd {root}
exec {python} -m securecall_site.server --bind 127.0.0.1 --port 0
"""
LIMIT_BYTES = 8_000_000
# More than Django keeps in memory where it has files.
KEYS, KEY_LENGTH = 400, 10_000


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    path = Path(shutil.copy(database_template(), tmp_path / "db.sqlite3"))
    return environment(path, {"DEBUG": "1", "SECRET_KEY": "one key", "LIMIT_HTTP_BODY_BYTES": str(LIMIT_BYTES)})


@pytest.fixture
def operator(variables: dict[str, str]) -> str:
    return sign_in(variables)


@pytest.fixture
def running(variables: dict[str, str], operator: str, tmp_path: Path) -> Iterator[RunningServer]:  # noqa: ARG001  # first
    script = READ_ONLY.format(folder=tmp_path, root=ROOT, python=sys.executable)
    env = variables | {"DATABASE_URL": "sqlite:////mnt/db.sqlite3"}
    with run([*NAMESPACE, "bash", "-c", script], tmp_path / "log", env) as process:
        started = RunningServer(process, tmp_path / "log", tmp_path / "records")
        started.port = announced_port(started, "ours")
        become_healthy(started)
        yield started


def test_uploads_are_served_from_memory_up_to_the_limit(running: RunningServer, operator: str) -> None:
    lines = [{"clientId": f"client-{number}", "publicKey": "k" * KEY_LENGTH} for number in range(KEYS)]
    file = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
    Office(running, running, operator).upload("/admin/pkd/publickey/import/", file, "They move here.")
    status, answer = running.get("/api/keys/client-399/", {"Cookie": f"sessionid={operator}"})
    assert (status, len(json.loads(answer)["publicKey"])) == (200, KEY_LENGTH)
    # A stranger's, which no view reads.
    assert running.post("/admin/login/", b"x" * 300_000)[0] == 403
    assert "There is no writable directory for temporary files" in running.log
    assert "Traceback" not in running.log
