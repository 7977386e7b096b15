"""The newest release: which commit it is, and its files, for tests that run it beside this version."""

import subprocess
from pathlib import Path

from tests.support.servers import ROOT

VERSION = "0.1.0"
# By its hash and not by a tag: a clone may come without tags, and a tag can be moved.
COMMIT = "5b698996fd552054b61d43f81c8da07328281abd"


def released_tree(folder: Path, *, repository: Path = ROOT, commit: str = COMMIT) -> Path:
    """Write the release's files into `folder`, which is returned; git needs the history in which `commit` stands."""
    archive = ["git", "-C", str(repository), "archive", "--format=tar", commit]
    made = subprocess.run(archive, capture_output=True, check=False)
    if made.returncode:
        raise AssertionError(
            f"git has no commit {commit}, which is release {VERSION}: tests that run a release need the whole history. "
            f"In a shallow clone, run `git fetch --unshallow`. git said: {made.stderr.decode().strip()}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["tar", "--extract", "--directory", str(folder)], input=made.stdout, check=True)
    return folder
