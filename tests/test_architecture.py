"""docs/architecture.md against the tree: the rooms, files and tests that it names are there."""

import re

from tests.support.servers import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text()
ROOM = re.compile(r"^(\w+)/ ", re.MULTILINE)
FILE = re.compile(r"`((?:[\w.-]+/)+[\w-]+\.\w+)`")
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
