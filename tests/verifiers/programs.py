"""Install the programs and run them. One that is missing is an error, never a skipped test."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.made_log import vkey
from tests.support.servers import ROOT

HERE = Path(__file__).parent
# Where Debian puts the sources of golang-golang-x-mod-dev, which brings golang.org/x/mod 0.7.0.
GO_PATH = "/usr/share/gocode"


@dataclass(frozen=True)
class Verifier:
    """A program, and what it can do beyond checking a checkpoint and the proof that an entry is in its tree."""

    name: str
    command: tuple[str, ...]
    reads_tiles: bool = False
    checks_consistency: bool = False
    checks_time: bool = False

    def verdicts(self, cases: Sequence[dict[str, Any]], key: str = "") -> list[str]:
        """Return for each case nothing, or why it is refused."""
        given = json.dumps({"vkey": key or vkey(), "cases": cases})
        done = subprocess.run(self.command, cwd=ROOT, input=given, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{self.name}: {done.stderr}")
        verdicts: list[str] = json.loads(done.stdout)
        if len(verdicts) != len(cases):
            raise RuntimeError(f"{self.name} judged {len(verdicts)} of {len(cases)} cases")
        return verdicts


def sumdb(folder: Path) -> Verifier:
    """Build the verifier of Go's checksum database, from Debian's packages."""
    program = folder / "sumdb"
    env = os.environ | {"GO111MODULE": "off", "GOPATH": GO_PATH, "GOFLAGS": "", "GOCACHE": str(folder / "go")}
    build = ["go", "build", "-o", str(program), str(HERE / "sumdb" / "main.go")]
    done = subprocess.run(build, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"scripts/install-services brings golang-go and golang-golang-x-mod-dev: {done.stderr}")
    return Verifier("sumdb", (str(program),), reads_tiles=True, checks_consistency=True)


def python_verifiers(folder: Path) -> list[Verifier]:
    """Install sigstore and tlog-scales into an environment of their own."""
    subprocess.run([sys.executable, "-m", "venv", str(folder / "python")], check=True)
    python = str(folder / "python" / "bin" / "python")
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet"]
    subprocess.run([*pip, "--requirement", str(ROOT / "requirements-verifiers.txt")], check=True)
    return [
        Verifier(
            "tlog-scales", (python, "-m", "tests.verifiers.tlog_scales_cases"),
            reads_tiles=True, checks_consistency=True, checks_time=True,
        ),
        Verifier("sigstore (Python)", (python, "-m", "tests.verifiers.sigstore_cases")),
    ]  # fmt: skip


def npm_verifier(folder: Path) -> Verifier:
    """Install @sigstore/verify, of the version in package-lock.json."""
    program = folder / "npm"
    shutil.copytree(HERE / "sigstore_npm", program)
    subprocess.run(["npm", "ci", "--silent"], cwd=program, check=True)
    return Verifier("sigstore (npm)", ("node", str(program / "verify.cjs")))


def installed(folder: Path) -> list[Verifier]:
    """Install every verifier into a folder."""
    return [sumdb(folder), *python_verifiers(folder), npm_verifier(folder)]
