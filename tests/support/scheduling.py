"""The order and the grouping of tests that run side by side."""

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

# The tests that open pages in a browser.
IN_BROWSERS = ("webclient/", "tests/test_console_pages.py", "tests/test_admin_in_browser.py")


class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types for it
    """Keeps the tests of a file together, as they share what they start, and all browsers in one process.

    Two browsers at once starve each other, and everything else. xdist's own groups need the `_nodeid` that pytest 9.2
    has no more.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "browsers" if file.startswith(IN_BROWSERS) else file
