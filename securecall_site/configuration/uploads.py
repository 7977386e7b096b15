"""Where the body of a request waits until it has come whole: in memory, or in a temporary file where it is long."""

import sys
import tempfile

IN_MEMORY = "django.core.files.uploadhandler.MemoryFileUploadHandler"


def has_temporary_files() -> bool:
    """Return whether there is a directory for them; containers with a read-only root may have none."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        return False
    return True


def memory_bytes(max_body_bytes: int) -> int:
    """Return how long a body in memory may be where there are no files: as long as the server takes (0: no limit)."""
    return max_body_bytes or sys.maxsize
