import json
import logging
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from diagnostics import checks
from diagnostics.doctor import static_files
from diagnostics.outcome import Outcome

MANIFEST = "whitenoise.storage.CompressedManifestStaticFilesStorage"


@pytest.fixture
def deployed(settings: Settings, tmp_path: Path) -> Path:
    """A program outside DEBUG, and the folder of its static files."""
    settings.DEBUG = False
    settings.STATIC_ROOT = tmp_path / "static"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": MANIFEST}}
    return Path(settings.STATIC_ROOT)


def found() -> list[tuple[Outcome, str]]:
    return [(finding.outcome, finding.sentence) for finding in static_files.examine()]


@pytest.mark.django_db
def test_missing_collectstatic_is_told_with_its_remedy(deployed: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert not deployed.exists()
    (finding,) = found()
    assert finding[0] is Outcome.WARNING
    assert "the pages lack any static file and answer 500: run manage.py collectstatic" in finding[1]
    with caplog.at_level(logging.WARNING):
        checks.report()
    (line,) = [record.getMessage() for record in caplog.records if "static" in record.getMessage()]
    assert "lack any static file and answer 500; calls need none. Run python manage.py collectstatic" in line


def test_files_of_an_older_program_are_told(deployed: Path) -> None:
    call_command("collectstatic", interactive=False, verbosity=0)
    assert found() == [(Outcome.OK, "files are collected")]
    manifest = deployed / "staticfiles.json"
    content = json.loads(manifest.read_text())
    del content["paths"]["console/console.css"]
    manifest.write_text(json.dumps(content))
    (finding,) = found()
    assert finding[0] is Outcome.WARNING
    assert "the pages lack 1 of " in finding[1]


def test_development_collects_nothing(settings: Settings) -> None:
    settings.DEBUG = True
    assert found() == []
