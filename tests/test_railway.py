import asyncio
import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import servers
from tests.support.client import Client
from tests.support.servers import RunningServer

RAILPACK: dict[str, Any] = json.loads((servers.ROOT / "railpack.json").read_text())
START_COMMAND: str = RAILPACK["deploy"]["startCommand"]
# What is not in the image; the sources are copied so that nothing is written to them.
NOT_DEPLOYED = shutil.ignore_patterns(".*", "__pycache__", "tests", "bench", "docs", "staticfiles", "*.sqlite3*")
BEHIND_THE_EDGE = {"X-Forwarded-Proto": "https"}


def procfile() -> str:
    return (servers.ROOT / "Procfile").read_text().removeprefix("web: ").rstrip("\n")


def deployed_environment(directory: Path, **variables: str) -> dict[str, str]:
    """A container's: nothing of this process but where the interpreter is."""
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(directory),
        "PORT": "0",
        **variables,
    }


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project after the platform's build step, which knows no SECRET_KEY."""
    directory = tmp_path_factory.mktemp("image") / "app"
    shutil.copytree(servers.ROOT, directory, ignore=NOT_DEPLOYED)
    expanded = [command for command in RAILPACK["steps"]["build"]["commands"] if command != "..."]
    for command in expanded:
        log = directory.parent / "build.log"
        with servers.run(["sh", "-c", command], log, deployed_environment(directory), cwd=directory) as build:
            assert build.wait(60) == 0, log.read_text()
    return directory


# The platform's image has bash, which replaces itself with the last command; sh does so only when told.
@pytest.fixture(params=[("bash", START_COMMAND), ("sh", procfile())], ids=["railpack.json", "Procfile"])
def deployed(request: pytest.FixtureRequest, image: Path, tmp_path: Path) -> Iterator[RunningServer]:
    """The image, started as the platform starts it, on an empty database."""
    environment = deployed_environment(
        image,
        SECRET_KEY="0123456789abcdefghijklmnopqrstuvwxyz-0123456789-ABCDEFGHIJ",
        DATABASE_URL=f"sqlite:///{tmp_path / 'db.sqlite3'}",
        RAILWAY_PUBLIC_DOMAIN="securecall.example",
        ALLOWED_HOSTS="127.0.0.1",
    )
    shell, command = request.param
    with servers.run([shell, "-c", command], tmp_path / "log", environment, cwd=image) as process:
        running = RunningServer(process, tmp_path / "log", tmp_path / "records")
        running.port = servers.announced_port(running, "ours")
        servers.become_healthy(running)
        yield running


def has_styles_with_debug_off(deployed: RunningServer) -> None:
    """Demand the admin's page, and the style that it names."""
    status, page = deployed.get("/admin/login/", BEHIND_THE_EDGE)
    assert status == 200
    style = re.search(r'href="(/static/admin/css/base\.[0-9a-f]+\.css)"', page)
    assert style, page[:2000]
    assert deployed.get(style[1], BEHIND_THE_EDGE)[0] == 200
    assert deployed.get("/admin/login/")[0] == 301


async def test_start_command_serves_and_stops_cleanly(deployed: RunningServer) -> None:
    assert deployed.get("/health", {"Host": "healthcheck.railway.app"}) == (200, '{"status":"ok"}')
    has_styles_with_debug_off(deployed)
    async with Client(deployed.ws_url) as alice:
        await alice.register("alice")
        # `exec`: the signal reaches the server and not a shell around it.
        status = asyncio.create_task(asyncio.to_thread(deployed.stop))
        await alice.expects_close(1012, "service restart")
        assert await status == 0


def test_procfile_starts_what_railpack_starts() -> None:
    assert procfile() == START_COMMAND


def test_build_needs_no_variable_of_the_service(image: Path) -> None:
    assert (image / "staticfiles" / "staticfiles.json").exists()
    assert not list(image.glob("*.sqlite3"))
