"""docs/architecture.md against the tree: the rooms, files and tests that it names are there."""

import re

from signaling.connections import states
from tests.support.servers import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text()
ROOM = re.compile(r"^(\w+)/ ", re.MULTILINE)
FILE = re.compile(r"`((?:[\w.-]+/)+[\w-]+\.\w+)`")
SUFFIXES = {".py", ".js"}
GENERATED = {"migrations", "staticfiles", "node_modules"}
MOST_LONG_FILES = 12
FLOORS = re.compile(r"^`\w+` > .+$", re.MULTILINE)


def section(title: str) -> str:
    _, _, rest = PAGE.partition(f"\n## {title}\n")
    assert rest, title
    return rest.partition("\n## ")[0]


def test_every_room_that_is_named_is_there() -> None:
    rooms = set(ROOM.findall(section("Rooms")))
    assert len(rooms) > 5
    assert {room for room in rooms if not (ROOT / room).is_dir()} == set()


def test_every_app_has_its_floor() -> None:
    (floors, *_) = FLOORS.findall(section("Floors"))
    apps = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert set(re.findall(r"`(\w+)`", floors)) == apps


def test_files_that_are_named_with_their_path_are_there() -> None:
    named = {
        path for title in ("Files over 200 lines", "Where figures come from") for path in FILE.findall(section(title))
    }
    assert len(named) > 5
    assert {path for path in named if not (ROOT / path).is_file()} == set()


def test_long_files_stand_in_the_table_with_their_reason() -> None:
    rooms = [path.parent for path in ROOT.glob("*/__init__.py") if path.parent.name != "tests"]
    long = {
        path.relative_to(ROOT).as_posix()
        for room in rooms
        for path in room.rglob("*")
        if path.suffix in SUFFIXES
        and not {"tests", *GENERATED} & set(path.relative_to(ROOT).parts)
        and len(path.read_text().splitlines()) > 200
    }
    assert long == set(FILE.findall(section("Files over 200 lines")))
    assert len(long) <= MOST_LONG_FILES


def test_picture_of_a_connections_states_is_that_of_the_code() -> None:
    code, page = str(states.__doc__), section("The states of a connection")
    drawn = [line.strip() for line in code.splitlines() if line.startswith(" " * 8)]
    assert len(drawn) > 10
    assert drawn == [line.strip() for line in page.split("```")[1].strip().splitlines()]
