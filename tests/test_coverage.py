"""Their own tests reach every line and every branch of the protocol and of the registries."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import ROOT

ROOMS = ("signaling/protocol", "signaling/registry")
# Random steps are slow and reach nothing more; traced lines say nothing of how long decoding takes.
LEFT_OUT = "twins or in_proportion"


# Twenty seconds on a quiet machine.
@pytest.mark.timeout(600)
def test_protocol_and_registry_are_covered_to_the_last_branch(tmp_path: Path) -> None:
    # The other run's plugins look for these.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    coverage = [sys.executable, "-m", "coverage"]
    tests = ["-m", "pytest", *ROOMS, "--quiet", "--numprocesses=0", "-p", "no:cacheprovider", "-k", f"not ({LEFT_OUT})"]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        env = inherited | {"COVERAGE_FILE": str(tmp_path / "data")}
        return subprocess.run([*coverage, *arguments], cwd=ROOT, env=env, capture_output=True, text=True, check=False)

    tested = run("run", "--branch", f"--source={','.join(ROOMS)}", "--omit=*/tests/*", *tests)
    assert tested.returncode == 0, tested.stdout
    report = run("report", "--show-missing", "--fail-under=100")
    assert report.returncode == 0, report.stdout
