import pytest

from tests.support.scheduling import says_database, uses_database


def test_files_with_tests_of_the_database_say_so(request: pytest.FixtureRequest) -> None:
    """On Postgres no other file is read."""
    files = {item.path for item in request.session.items if uses_database(item)}
    assert {path for path in files if not says_database(path)} == set()
