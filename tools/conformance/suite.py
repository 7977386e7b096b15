"""autobahntestsuite, which its authors run on Python 2.7: installing it for a while, and running its client."""

import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SUITE = "autobahntestsuite==25.10.1"
# Framing, pings, reserved bits and opcodes, fragments, UTF-8, closing; limits, automatic fragments. 12 and 13 are of
# compression, which this server does not offer.
CASES = ("1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*")

ADVICE = f"""\
`make conformance` runs {SUITE}, which needs Python 2.7 with pip. Name one:

    make conformance PYTHON27=/path/to/python2.7

Debian 12 and later have none; `pyenv install 2.7.18` builds one. What it installs is gone afterwards."""

IS_27 = "import sys, pip; sys.exit(sys.version_info[:2] != (2, 7))"
# Its dependencies share a namespace by .pth files, which PYTHONPATH does not read.
RUN = "import site, sys; site.addsitedir(sys.argv.pop(1)); from autobahntestsuite import wstest; wstest.run()"


def is_python_27(python: str) -> bool:
    """Return whether this is a Python 2.7 with pip."""
    if not python:
        return False
    try:
        return subprocess.run([python, "-c", IS_27], check=False, capture_output=True).returncode == 0
    except OSError:
        return False


@contextmanager
def installed(python: str) -> Iterator[Path]:
    """Install the suite into a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        install = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--target", folder, SUITE]
        # pip of that age complains of its own.
        subprocess.run(install, check=True, stderr=subprocess.DEVNULL)
        yield Path(folder)


def run(python: str, folder: Path, urls: Mapping[str, str], cases: list[str]) -> dict[str, dict[str, Any]]:
    """Run the cases against each server; returns the suite's word on each case, by server. Its pages are in `pages`."""
    pages, spec = folder / "pages", folder / "spec.json"
    servers = [{"agent": name, "url": url} for name, url in urls.items()]
    spec.write_text(json.dumps({"outdir": str(pages), "servers": servers, "cases": cases, "exclude-cases": []}))
    command = [python, "-c", RUN, str(folder), "--mode", "fuzzingclient", "--spec", str(spec)]
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    report: dict[str, dict[str, Any]] = json.loads((pages / "index.json").read_text())
    return report
