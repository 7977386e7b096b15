"""Compare what `collectstatic` collected with the static files of this program."""

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.contrib.staticfiles.storage import ManifestFilesMixin
from django.core.files.storage import storages


def uncollected() -> str:
    """Say how many static files the pages lack; empty where there are all, or where pages take them as they are.

    Reads the manifest for itself: the storage that pages use reads it once, when it is first needed.
    """
    storage = storages.create_storage(settings.STORAGES["staticfiles"])
    if not isinstance(storage, ManifestFilesMixin):
        return ""
    # As `collectstatic` names them.
    names = {
        "/".join((getattr(source, "prefix", None) or "", path)).lstrip("/").replace("\\", "/")
        for finder in get_finders()
        for path, source in finder.list([])
    }
    missing = names - storage.hashed_files.keys()
    if not missing:
        return ""
    return "any static file" if missing == names else f"{len(missing)} of {len(names)} static files"
