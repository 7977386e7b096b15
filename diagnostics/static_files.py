"""Compare what `collectstatic` collected with the static files of this program."""

from django.contrib.staticfiles.finders import get_finders
from django.contrib.staticfiles.storage import ManifestFilesMixin, staticfiles_storage


def uncollected() -> str:
    """Say how many static files the pages lack; empty where there are all, or where pages take them as they are."""
    return lacking(staticfiles_storage) if isinstance(staticfiles_storage, ManifestFilesMixin) else ""


def lacking(storage: ManifestFilesMixin) -> str:
    """Say how many files the manifest of a storage lacks."""
    names = {path.replace("\\", "/") for finder in get_finders() for path, _ in finder.list([])}
    missing = names - storage.hashed_files.keys()
    if not missing:
        return ""
    return "any static file" if missing == names else f"{len(missing)} of {len(names)} static files"
