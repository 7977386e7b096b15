"""deploy/securecall.service: systemd takes it, and what it runs is a server that stops in time."""

import asyncio
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import servers
from tests.support.client import Client
from tests.support.deploy import DEPLOY, replaced
from tests.support.servers import ROOT, RunningServer
from tests.support.services import NotInstalledError, executable, skip_or_fail

UNIT = (DEPLOY / "securecall.service").read_text()
ENVIRONMENT_FILE = "/etc/securecall.env"
# Of ten, where ten is a service that may do everything.
MOST_EXPOSED = 2.0
HOST = "calls.example.com"
BEHIND_THE_PROXY = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9", "Host": HOST}


def installed(folder: Path) -> Path:
    """Write the unit and the file of its environment as they would stand on a machine whose paths are these."""
    places = {
        "/opt/securecall/.venv/bin/python": sys.executable,
        "/opt/securecall": str(ROOT),
        ENVIRONMENT_FILE: str(folder / "securecall.env"),
    }
    (folder / "securecall.service").write_text(replaced(UNIT, places))
    variables = {
        "\nSECRET_KEY=\n": "\nSECRET_KEY=0123456789abcdefghijklmnopqrstuvwxyz-0123456789-ABCDEFGHIJ\n",
        "\nPORT=8000\n": "\nPORT=0\n",
        "sqlite:////var/lib/securecall/db.sqlite3": f"sqlite:///{folder / 'db.sqlite3'}",
    }
    (folder / "securecall.env").write_text(replaced((DEPLOY / "securecall.env").read_text(), variables))
    return folder / "securecall.service"


def setting(unit: Path, name: str) -> str:
    """Return the value of a setting that a unit has once."""
    (value,) = re.findall(rf"^{name}=(.*)$", unit.read_text(), re.MULTILINE)
    return str(value)


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze, which needs no running systemd for these."""
    try:
        program = executable("systemd-analyze", "systemd")
    except NotInstalledError as missing:
        skip_or_fail(missing)
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=60)


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    finished = analyze("verify", "--man=no", str(installed(tmp_path)))
    # An unknown setting is told, but no error.
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")


def test_unit_gives_little_to_whoever_gets_in(tmp_path: Path) -> None:
    finished = analyze("security", "--offline=true", "--no-pager", str(installed(tmp_path)))
    found = re.search(r"Overall exposure level for securecall\.service: ([\d.]+)", finished.stdout)
    assert found, finished
    assert float(found[1]) <= MOST_EXPOSED


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningServer]:
    """The server that the unit starts, with the variables that systemd sets and those of its file."""
    unit = installed(tmp_path)
    lines = Path(setting(unit, "EnvironmentFile")).read_text().splitlines()
    of_the_file = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    variables = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "LANG": "C.UTF-8", **of_the_file}
    command = shlex.split(setting(unit, "ExecStart"))
    log, cwd = tmp_path / "log", Path(setting(unit, "WorkingDirectory"))
    with servers.run(command, log, variables, cwd=cwd) as process:
        started = RunningServer(process, log, tmp_path / "records")
        started.port = servers.announced_port(started, "ours")
        servers.become_healthy(started)
        yield started


async def test_unit_starts_a_server_for_the_proxy_alone(running: RunningServer) -> None:
    # Through the proxy to the page where operators sign in, and otherwise to https.
    assert (await asyncio.to_thread(running.get, "/admin/", BEHIND_THE_PROXY))[0] == 302
    assert (await asyncio.to_thread(running.get, "/admin/", {"Host": HOST}))[0] == 301
    with socket.socket() as other:
        # Another of this machine's addresses.
        assert other.connect_ex(("127.0.0.2", running.port)) != 0

    url, here = f"ws://{HOST}/signal", {"host": running.host, "port": running.port}
    async with Client(url, origin=f"https://{HOST}", **here) as alice:
        await alice.register("alice")
        stopped = asyncio.create_task(asyncio.to_thread(running.stop))
        await alice.expects_close(1012, "service restart")
        assert await stopped == 0


def test_unit_waits_for_the_end_of_calls(tmp_path: Path) -> None:
    # DRAIN_SECONDS, which is 10, and two more.
    assert int(setting(installed(tmp_path), "TimeoutStopSec")) > 12
