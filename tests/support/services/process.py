"""One started program: found, run on a free port, waited for and ended by its own process id."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeAlias, TypeVar

import pytest

START_SECONDS = 60
STOP_SECONDS = 10
POLL_SECONDS = 0.02
# Between finding a free port and listening on it, another program may take it.
PORT_ATTEMPTS = 5

T = TypeVar("T")
Running: TypeAlias = "subprocess.Popen[bytes]"


class NotInstalledError(RuntimeError):
    """A program that a service needs is not on this machine."""


class StartError(RuntimeError):
    """A service ended, or did not answer, instead of starting."""


def skip_or_fail(missing: NotInstalledError) -> NoReturn:
    """Skip the test that needs a missing program, or fail it with `CI=true`, where skips are not read."""
    if os.environ.get("CI") == "true":
        pytest.fail(str(missing), pytrace=False)
    pytest.skip(str(missing))


def executable(name: str, package: str, *directories: Path) -> str:
    """Return the program's path, from PATH or else the first of `directories` that holds it."""
    found = shutil.which(name) or shutil.which(name, path=os.pathsep.join(map(str, directories)))
    if found is None:
        raise NotInstalledError(f"{name} is not installed (Debian package: {package})")
    return found


def free_port() -> int:
    """Return a loopback port that no program listens on now, neither on TCP nor on UDP."""
    while True:
        with socket.socket(type=socket.SOCK_STREAM) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port: int = tcp.getsockname()[1]
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def on_free_port(start_on: Callable[[int], T]) -> T:
    """Call `start_on(port)` with free ports until one of them was still free."""
    for _ in range(PORT_ATTEMPTS - 1):
        try:
            return start_on(free_port())
        except StartError:
            continue
    return start_on(free_port())


def start(
    command: list[str], log: Path, answers: Callable[[int], bool], *, seconds: float = START_SECONDS, **options: Any
) -> subprocess.Popen[bytes]:
    """Run `command` and return once `answers(pid)`, within `seconds`; what it prints is appended to `log`."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            _bound(command), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, **options
        )
    try:
        has_started = _wait(process, answers, seconds)
    except BaseException:
        stop(process)
        raise
    if not has_started:
        stop(process)
        raise StartError(f"{Path(command[0]).name} did not start:\n{log.read_text(errors='replace')}")
    return process


def _bound(command: list[str]) -> list[str]:
    """Ask the kernel, where it can, to end the program with us; a killed test run cannot end it itself."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", *command] if setpriv else command


def _wait(process: subprocess.Popen[bytes], answers: Callable[[int], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        # Asked for an answer and then whether it lives: another program on the same port may have answered.
        if answers(process.pid) and process.poll() is None:
            return True
        time.sleep(POLL_SECONDS)
    return False


def connects(port: int) -> bool:
    """Return whether something listens on a loopback port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the process and wait until it is gone."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
