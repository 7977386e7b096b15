"""The example in README.md, run as it stands against a running server."""

import re
import subprocess
import sys

from tests.support.servers import ROOT, RunningServer

EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def test_example_does_what_it_shows(running: RunningServer) -> None:
    (example,) = EXAMPLE.findall((ROOT / "README.md").read_text())
    program = example.replace("ws://127.0.0.1:8000/signal", running.ws_url)
    assert program != example

    finished = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )

    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "bob answered: v=0 answer\n", "")
