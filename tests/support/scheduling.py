"""The order and the grouping of tests that run side by side, and which of them run on Postgres, too."""

import re
from functools import cache
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

# The tests that open pages in a browser: those of the library, which take as long as all others, and of pages.
OF_THE_LIBRARY = ("webclient/tests/library/",)
OF_PAGES = ("webclient/", "tests/test_console_pages.py", "tests/test_admin_in_browser.py")
# Those whose people meet at the servers of tests/conftest.py, of which each process starts its own.
AT_SHARED_SERVERS = tuple(
    f"tests/test_{name}.py"
    for name in (
        *("calls", "deaf_lines", "directory_messages", "frame_sizes", "frames", "holding", "limits"),
        *("loadtest", "registration", "resets", "samples", "smoke", "strangers", "turn_messages"),
    )
)
# A test is of the first group that names it.
GROUPS = {"library": OF_THE_LIBRARY, "pages": OF_PAGES, "people": AT_SHARED_SERVERS}

DATABASE_FIXTURES = frozenset({"db", "transactional_db", "django_db_reset_sequences"})
# By which a file says that it has tests of the database.
OF_DATABASE = re.compile("django_db|transactional_db")


def uses_database(item: pytest.Item) -> bool:
    """Return whether a test uses Django's database."""
    fixtures = getattr(item, "fixturenames", ())
    return item.get_closest_marker("django_db") is not None or not DATABASE_FIXTURES.isdisjoint(fixtures)


@cache
def says_database(path: Path) -> bool:
    """Return whether a file says that it has tests of the database."""
    return OF_DATABASE.search(path.read_text()) is not None


class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types for it
    """Keeps the tests of a file together, as they share what they start, and so those of a group.

    Each group starts browsers and servers of its own. xdist's own groups need the `_nodeid` that pytest 9.2 has no
    more.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((name for name, files in GROUPS.items() if file.startswith(files)), file)
