"""A program that looks at the public log in the database of the settings, and builds it anew beside it.

It prints a JSON object: `wrong` has the sentences of `checklog`, `is_equal` whether the log that is built from the
statements is the one that is there, and `ids` whose statements there are. The database has the built one then.
"""

import json
import sys

import django

django.setup()

from pkd.models import Identity  # noqa: E402
from transparency.build import build  # noqa: E402
from transparency.check import check  # noqa: E402
from transparency.keys import current  # noqa: E402
from transparency.models import Entry, Piece  # noqa: E402
from transparency.tests.logged import empty_log  # noqa: E402

Contents = tuple[list[tuple[int, bytes, bytes]], dict[str, bytes]]


def contents() -> Contents:
    """Return the entries and the prefix tree."""
    rows = Entry.objects.order_by("number").values_list("number", "data", "hashes")
    entries = [(number, bytes(data), bytes(hashes)) for number, data, hashes in rows]
    return entries, {name: bytes(content) for name, content in Piece.objects.values_list("name", "content")}


def main() -> None:
    """Compare, and say what came of it."""
    keys = current()
    if keys is None:
        raise SystemExit("These settings have no log.")
    wrong, grown = list(check(keys, None)), contents()
    empty_log()
    build(keys)
    numbers = [number for number, _, _ in grown[0]]
    found = {
        "entries": len(numbers),
        "is_dense": numbers == list(range(len(numbers))),
        "is_equal": contents() == grown,
        "wrong": wrong,
        "ids": list(Identity.objects.values_list("key__client_id", flat=True)),
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
