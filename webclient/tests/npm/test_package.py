"""What `npm pack` puts into the package."""

import json
import tarfile
from pathlib import Path

import pytest

from tests.support.services import NotInstalledError, skip_or_fail
from tests.support.services.process import executable
from webclient.tests.npm.applications import HERE, PACKAGE, pack


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that npm makes."""
    try:
        executable("npm", "npm")
    except NotInstalledError as missing:
        skip_or_fail(missing)
    return pack(tmp_path_factory.mktemp("package"))


def test_package_has_every_module_and_nothing_else(packed: Path) -> None:
    with tarfile.open(packed) as archive:
        names = {name.removeprefix("package/") for name in archive.getnames()}
    files = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*") if path.is_file()}
    assert names == files


def test_package_is_private_until_its_owner_gives_it_a_licence() -> None:
    package = json.loads((PACKAGE / "package.json").read_text())
    assert package["private"] is True
    assert "license" not in package
    # No registry's host stands in what is committed.
    lock = json.loads((HERE / "package-lock.json").read_text())
    assert [path for path, entry in lock["packages"].items() if "resolved" in entry] == []
