"""deploy/Dockerfile and deploy/compose.yaml: built and started where Docker runs, and read, linted and run without it.

Where no daemon answers, the commands of the image run one by one in an environment of their own, and coturn as the
container starts it.
"""

import json
import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.support import servers
from tests.support.client import Client
from tests.support.deploy import DEPLOY, replaced
from tests.support.servers import ROOT, RunningServer
from tests.support.services import NotInstalledError, executable, process, skip_or_fail
from tests.support.services.coturn import answers
from turn.allocation import AllocationError, allocate
from turn.credentials import Credential, expiry_after, mint

COMPOSE = DEPLOY / "compose.yaml"
EXAMPLE = (DEPLOY / "compose.env").read_text()
ASKED = ("SECRET_KEY", "POSTGRES_PASSWORD", "TURN_SECRET")
# Not in the image: programs for developers, and one that runs elsewhere.
LEFT_OUT = {"tools", "auditor"}


class Instruction(NamedTuple):
    """A line of a Dockerfile: its first word, and the rest."""

    word: str
    rest: str

    @property
    def words(self) -> list[str]:
        return json.loads(self.rest) if self.rest.startswith("[") else shlex.split(self.rest)


def instructions() -> list[Instruction]:
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [Instruction(*line.split(None, 1)) for line in text.splitlines() if line.strip()]


def the(word: str) -> Instruction:
    (found,) = [instruction for instruction in instructions() if instruction.word == word]
    return found


def test_railway_finds_no_dockerfile_at_the_root() -> None:
    # It would take it in the place of railpack.json.
    assert not (ROOT / "Dockerfile").exists()


def test_image_has_every_app_and_nothing_of_whoever_builds() -> None:
    copied = [name for word, rest in instructions() if word == "COPY" for name in rest.split()[:-1]]
    apps = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"])
    assert {name for name in copied if (ROOT / name).is_dir()} == apps - LEFT_OUT
    assert {name for name in copied if not (ROOT / name).is_dir()} == {
        "requirements.txt",
        "manage.py",
        "pyproject.toml",
    }


def test_image_starts_as_every_deploy_does() -> None:
    railpack = json.loads((ROOT / "railpack.json").read_text())
    assert shlex.join(the("CMD").words) == railpack["deploy"]["startCommand"].removeprefix("exec ")


# --- compose.yaml ------------------------------------------------------------------------------------


def filled_in(path: Path, *left_out: str) -> Path:
    """Write the example of .env with what it asks for."""
    text = EXAMPLE
    for name in ASKED:
        assert f"\n{name}=\n" in text
        if name not in left_out:
            text = text.replace(f"\n{name}=\n", f"\n{name}={secrets.token_hex(32)}\n")
    path.write_text(text)
    return path


def composed(variables: Path) -> subprocess.CompletedProcess[str]:
    try:
        program = executable("docker-compose", "docker-compose")
    except NotInstalledError as missing:
        skip_or_fail(missing)
    command = [program, "--file", str(COMPOSE), "--env-file", str(variables), "config"]
    # What Debian's is written in must not meet the packages of this environment.
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env, timeout=60)


def test_compose_takes_the_file_with_what_the_example_asks_for(tmp_path: Path) -> None:
    finished = composed(filled_in(tmp_path / "env"))
    assert finished.returncode == 0, finished.stderr
    services: dict[str, Any] = yaml.safe_load(finished.stdout)["services"]
    assert set(services) == {"caddy", "server", "postgres", "redis", "coturn"}
    settings = services["server"]["environment"]
    secret = services["coturn"]["environment"]["TURN_SECRET"]
    assert (settings["TURN_SECRET"], len(secret)) == (secret, 64)
    assert services["postgres"]["environment"]["POSTGRES_PASSWORD"] in settings["DATABASE_URL"]
    assert settings["ALLOWED_ORIGINS"] == f"https://{settings['ALLOWED_HOSTS']}" == "https://calls.example.com"
    # Nothing but what is meant for the network is published to it.
    published = [port for service in services.values() for port in service.get("ports", [])]
    # Compose 1 writes it short, 2 as a mapping.
    hosts = [port["host_ip"] if isinstance(port, dict) else port.partition(":")[0] for port in published]
    assert hosts == ["127.0.0.1"]


def test_compose_says_what_is_missing(tmp_path: Path) -> None:
    text = COMPOSE.read_text()
    for name in ASKED:
        assert f"${{{name}:?is " in text
    finished = composed(filled_in(tmp_path / "env", "SECRET_KEY"))
    assert finished.returncode != 0
    assert "SECRET_KEY" in finished.stderr


# --- coturn -----------------------------------------------------------------------------------------


@pytest.fixture
def turn_url(tmp_path: Path) -> Iterator[str]:
    """The URL of the coturn that compose.yaml starts, on loopback."""
    try:
        executable("turnserver", "coturn")
    except NotInstalledError as missing:
        skip_or_fail(missing)
    service = yaml.safe_load(COMPOSE.read_text())["services"]["coturn"]
    env = {"PATH": os.environ["PATH"], "TURN_SECRET": "a secret", "DOMAIN": "calls.example.com"}
    assert set(service["environment"]) < set(env)

    def start_on(port: int) -> tuple[int, process.Running]:
        text = (DEPLOY / "turnserver.conf").read_text()
        for line in ("min-port=49152", "max-port=65535"):
            assert line in text
        here = f"listening-port={port}\nlistening-ip=127.0.0.1\nrelay-ip=127.0.0.1"
        text = replaced(text, {"listening-port=3478": here})
        text += f"userdb={tmp_path}/turndb\npidfile={tmp_path}/pid\n"
        (tmp_path / "ours.conf").write_text(text)
        command = [word.replace("$$", "$") for word in service["entrypoint"]]
        command[-1] = re.sub(r"(?<=[ >])/(etc/coturn|tmp)(?=/)", str(tmp_path), command[-1])
        return port, process.start(command, tmp_path / "log", lambda _: answers(port), env=env)

    port, running = process.on_free_port(start_on)
    try:
        yield f"turn:127.0.0.1:{port}"
    finally:
        process.stop(running)


async def test_coturn_takes_what_the_server_mints_and_nothing_else(turn_url: str, tmp_path: Path) -> None:
    def credential(secret: str) -> Credential:
        return mint(secret, "alice", expiry_after(time.time(), 3600))

    for transport in ("udp", "tcp"):
        await allocate(f"{turn_url}?transport={transport}", credential("a secret"), 10)
    with pytest.raises(AllocationError, match="refuses the credential"):
        await allocate(turn_url, credential("another"), 10)
    assert (tmp_path / "turnserver.conf").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("inside", ["10.0.0.1", "169.254.169.254", "192.168.1.1"])
def test_coturn_relays_to_no_private_address(turn_url: str, inside: str) -> None:
    # It comes with coturn, and asks for a channel to a peer before it sends anything.
    client = executable("turnutils_uclient", "coturn")
    options = ["-u", "alice", "-W", "a secret", "-e", inside, "-n", "1", "-m", "1", "-p", turn_url.rpartition(":")[2]]
    finished = subprocess.run([client, *options, "127.0.0.1"], capture_output=True, text=True, check=False, timeout=60)
    assert "error 403 (Forbidden IP)" in finished.stdout + finished.stderr


# --- The image --------------------------------------------------------------------------------------


def does_docker_run() -> bool:
    program = shutil.which("docker")
    return program is not None and subprocess.run([program, "info"], capture_output=True, check=False).returncode == 0


def build_and_start(folder: Path) -> None:
    """Build the image, and start it with Postgres and Redis; `up --wait` fails where a health check does."""
    # Port 8000 may be somebody's.
    override = folder / "override.yaml"
    override.write_text("services:\n  server:\n    ports: !reset []\n")
    files = ["--file", str(COMPOSE), "--file", str(override), "--env-file", str(filled_in(folder / "env"))]
    compose = ["docker", "compose", "--project-name", f"securecall-{secrets.token_hex(4)}", *files]
    try:
        subprocess.run([*compose, "up", "--build", "--detach", "--wait", "server"], check=True, timeout=280)
        subprocess.run([*compose, "exec", "-T", "server", "python", "manage.py", "check"], check=True, timeout=60)
    finally:
        subprocess.run([*compose, "down", "--volumes", "--rmi", "local"], check=True, timeout=60)


class Container:
    """The instructions of the Dockerfile, followed in a folder that stands for the root of its files."""

    def __init__(self, folder: Path) -> None:
        self.root, self.app, self.log = folder, folder / "app", folder / "log"
        subprocess.run([sys.executable, "-m", "venv", str(folder / "python")], check=True)
        (folder / "data").mkdir()
        self.env = {"PATH": f"{folder}/python/bin:/usr/local/bin:/usr/bin:/bin", "HOME": str(folder)}

    def follow(self, instruction: Instruction) -> None:
        match instruction:
            case Instruction("WORKDIR", "/app"):
                self.app.mkdir()
            case Instruction("COPY", rest):
                *names, to = rest.split()
                for name in names:
                    self._copy(ROOT / name, self.app / to)
            case Instruction("ENV"):
                set_to = (word.split("=", 1) for word in instruction.words)
                self.env |= {name: value.replace("////data", f"///{self.root}/data") for name, value in set_to}
            case Instruction("RUN", rest) if not rest.startswith("useradd"):
                # An account is for a container alone.
                self._run(["sh", "-c", rest])
            case Instruction("HEALTHCHECK", rest):
                self.check = json.loads(rest.partition("CMD ")[2])

    def healthcheck(self) -> None:
        self._run(self.check)

    def _run(self, command: list[str]) -> None:
        with servers.run(command, self.log, self.env, cwd=self.app) as started:
            assert started.wait(240) == 0, self.log.read_text()

    def _copy(self, source: Path, to: Path) -> None:
        if source.is_dir():
            shutil.copytree(source, to, ignore=shutil.ignore_patterns("__pycache__", "tests"))
        else:
            shutil.copy(source, to)


async def follow_and_start(folder: Path) -> None:
    """Do what Docker would, as far as that goes without it: install, collect, start, ask for health, stop."""
    container = Container(folder)
    for instruction in instructions():
        container.follow(instruction)
    container.env |= {"SECRET_KEY": secrets.token_hex(32), "PORT": str(process.free_port())}
    log = folder / "server.log"
    with servers.run(the("CMD").words, log, container.env, cwd=container.app) as started:
        running = RunningServer(started, log, folder / "records")
        running.port = servers.announced_port(running, "ours")
        servers.become_healthy(running)
        container.healthcheck()
        async with Client(running.ws_url) as alice:
            await alice.register("alice")
            running.process.terminate()
            await alice.expects_close(1012, "service restart")


@pytest.mark.long
async def test_image_is_built_and_serves(tmp_path: Path) -> None:
    if does_docker_run():
        build_and_start(tmp_path)
    else:
        await follow_and_start(tmp_path)
        assert (tmp_path / "data" / "db.sqlite3").exists()


@pytest.mark.long
def test_dockerfile_is_what_the_linter_takes(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet"]
    requirements = ["--requirement", str(ROOT / "requirements-dockerfile.txt"), "--target", str(tmp_path)]
    subprocess.run([*pip, *requirements], check=True, timeout=200)
    finished = subprocess.run(
        [str(tmp_path / "bin" / "hadolint"), str(DEPLOY / "Dockerfile")], capture_output=True, text=True, check=False
    )
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")
