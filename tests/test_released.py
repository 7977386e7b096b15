"""Releases: the version stands in one place, the changelog has it, and a release's files can be had from its commit."""

import re
import subprocess
from pathlib import Path

import pytest
from django.conf import settings

from tests.support.released import COMMIT, VERSION, released_tree
from tests.support.servers import ROOT

SECTIONS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
AUTHOR = ("-c", "user.name=A tester", "-c", "user.email=tester@example.com", "-c", "commit.gpgsign=false")


def headings(level: str) -> list[str]:
    return re.findall(rf"^{level} (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def git(repository: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *AUTHOR, *arguments], cwd=repository, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_changelog_dates_the_release_that_runs() -> None:
    unreleased, newest, *_ = headings("##")
    assert unreleased == "[Unreleased]"
    assert re.fullmatch(rf"\[{re.escape(settings.VERSION)}\] - \d{{4}}-\d\d-\d\d", newest)


def test_changelog_has_the_sections_of_keep_a_changelog_in_order() -> None:
    for release in (ROOT / "CHANGELOG.md").read_text().split("\n## ")[1:]:
        sections = re.findall(r"^### (.+)$", release, re.MULTILINE)
        assert sections == [name for name in SECTIONS if name in sections]


def test_released_commit_is_named_in_full() -> None:
    assert re.fullmatch("[0-9a-f]{40}", COMMIT)
    assert f"[{VERSION}]" in " ".join(headings("##"))


def test_release_is_as_it_was_committed(tmp_path: Path) -> None:
    repository, folder = tmp_path / "repository", tmp_path / "release"
    repository.mkdir()
    git(repository, "init", "--quiet")
    (repository / "server.py").write_text("released")
    git(repository, "add", "server.py")
    git(repository, "commit", "--quiet", "--message", "Release it")
    commit = git(repository, "rev-parse", "HEAD")
    (repository / "server.py").write_text("changed since")
    assert released_tree(folder, repository=repository, commit=commit) == folder
    assert (folder / "server.py").read_text() == "released"


def test_clone_without_the_release_is_told_what_to_fetch(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    with pytest.raises(AssertionError, match=f"no commit {COMMIT}.+`git fetch --unshallow`"):
        released_tree(tmp_path / "release", repository=tmp_path)
