"""`make bench`, with one server and for a second or two."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import ROOT
from tools.bench.targets import TARGETS


# Some seconds on a quiet machine.
@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["ours-daphne-memory", "ours-daphne-redis-2"])
def test_bench_counts_calls_of_which_nothing_is_lost(tmp_path: Path, redis_database: object, name: str) -> None:
    assert redis_database
    kept = tmp_path / "results.json"
    command = [sys.executable, "-m", "tools.bench", "--quick", "--only", name, "--scenario", "saturated"]
    done = subprocess.run([*command, "--json", kept], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads(kept.read_text())
    figures = results["figures"][name]["saturated"]
    assert results["interpreter"]
    assert min(figures["messages"]) > 0
    assert min(figures["server_us_per_message"]) > 0
    assert (figures["lost"], figures["wrong"], figures["dropped_connections"]) == ([0], [0], [0])


def test_programs_of_the_peers_are_there() -> None:
    commands = [target.command(8000) for target in TARGETS.values()]
    scripts = {Path(word) for command in commands for word in command[1:] if word.endswith((".js", ".py"))}
    assert len(scripts) == 3
    assert all(script.is_file() for script in scripts)
