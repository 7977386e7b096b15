"""A witness that others wrote (aics-witness), installed and run as a program of its own."""

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.made_log import ORIGIN, vkey
from tests.support.servers import ROOT, START_SECONDS, eventually, run

NAME = "witness.example.org/one"


class ForeignWitness:
    """An installed witness that knows the log of the vectors' keys; `policy` names it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._program = _installed(folder)
        self._run("init", "--name", NAME)
        self._run("add-log", "--origin", ORIGIN, "--vkey", vkey())
        found = re.search(rf"{re.escape(NAME)}\+[0-9a-f]{{8}}\+\S+", self._run("status"))
        if found is None:
            raise RuntimeError("aics-witness shows no vkey")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.policy = f"witness one {found[0]} http://127.0.0.1:{self._port};quorum one"

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Run it while the block runs, always on the same port."""
        command = [*self._command("serve"), "--listen", f"127.0.0.1:{self._port}"]
        with run(command, self._folder / "witness.log", {}) as process:
            eventually(lambda: self._listens() or process.poll(), lambda: "the witness does not listen", START_SECONDS)
            yield

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._port), 1).close()
        except OSError:
            return False
        return True

    def _run(self, *words: str) -> str:
        done = subprocess.run(self._command(*words), capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"aics-witness {words[0]}: {done.stderr}")
        return done.stdout + done.stderr

    def _command(self, name: str, *words: str) -> list[str]:
        return [str(self._program), name, "--config", str(self._folder / "witness.json"), *words]


def _installed(folder: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", str(folder / "witness")], check=True)
    python = str(folder / "witness" / "bin" / "python")
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet"]
    requirements = str(ROOT / "requirements-witness.txt")
    subprocess.run([*pip, "--ignore-requires-python", "--requirement", requirements], check=True)
    return folder / "witness" / "bin" / "aics-witness"
