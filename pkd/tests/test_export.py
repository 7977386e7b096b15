import csv
import io
import json
import threading
import tracemalloc
from itertools import count
from typing import Any

import pytest
from django.db import connection
from django.db.models import Q, QuerySet
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from pkd import directory
from pkd.decisions import FREEZE, REVOKE, reserve
from pkd.files.export import KEYS_A_PAGE, as_json_lines
from pkd.models import PublicKey, of_keys
from pkd.tests.files import exported, lines_of
from pkd.tests.samples import KEYS
from pkd.tests.threads import all_at_once

# Each page is a transaction of its own, which is only so outside another one.
pytestmark = pytest.mark.django_db(transaction=True)


def exported_json() -> list[dict[str, Any]]:
    return lines_of(exported())


def exported_csv() -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(exported("csv"), newline="")))


def store_many(names: list[str]) -> None:
    """Put keys into the table, a thousand characters each, without a history."""
    now = timezone.now()
    PublicKey.objects.bulk_create(
        PublicKey(client_id=name, public_key="k" * 1_000, first_seen=now, last_change=now) for name in names
    )


def key_of(client_id: str) -> PublicKey:
    return PublicKey.objects.get(client_id=client_id)


def test_json_holds_keys_and_history_oldest_first() -> None:
    directory.store("alice", "first")
    directory.store("alice", "second")
    REVOKE.decide(key_of("alice"), "olga", "phone\nstolen")
    key = key_of("alice")
    first, second = directory.fingerprint("first"), directory.fingerprint("second")
    at = [change.at.isoformat().replace("+00:00", "Z") for change in key.history.order_by("pk")]
    assert exported_json() == [
        {
            "clientId": "alice",
            "publicKey": "second",
            "fingerprint": second,
            "firstSeen": at[0],
            "lastChange": at[2],
            "changes": 2,
            "revokedAt": at[2],
            "frozenAt": None,
            "status": "unsigned",
            "ownedSince": None,
            "recoveryCode": None,
            "statements": 0,
            "history": [
                {"at": at[0], "kind": "published", "who": "client", "reason": ""}
                | {"oldFingerprint": None, "newFingerprint": first},
                {"at": at[1], "kind": "changed", "who": "client", "reason": ""}
                | {"oldFingerprint": first, "newFingerprint": second},
                {"at": at[2], "kind": "revoked", "who": "olga", "reason": "phone\nstolen"}
                | {"oldFingerprint": second, "newFingerprint": None},
            ],
        }
    ]


def test_time_that_was_written_with_its_zone_is_that_time() -> None:
    directory.store("alice", "first")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE pkd_publickey SET first_seen = '2026-01-31 15:04:05+00:00'")
    ((seen, changed),) = [(line["firstSeen"], line["lastChange"]) for line in exported_json()]
    assert (seen, changed.endswith("Z")) == ("2026-01-31T15:04:05Z", True)


def test_csv_holds_the_same_as_json() -> None:
    directory.store("alice", 'quoted "key", with a comma')
    FREEZE.decide(key_of("alice"), "olga", "vip")
    reserve("admin", "olga", "nobody is admin")
    for row, line in zip(exported_csv(), exported_json(), strict=True):
        assert json.loads(row.pop("history")) == line.pop("history")
        assert row == {name: "" if value is None else str(value) for name, value in line.items()}


def test_empty_directory_is_an_empty_file() -> None:
    assert exported() == ""
    assert exported_csv() == []


def test_csv_holds_every_key_unchanged_but_for_the_apostrophe() -> None:
    for number, key in enumerate(KEYS.values()):
        directory.store(f"client-{number}", key)
    cells = [row["publicKey"] for row in exported_csv()]
    begins_formula = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
    assert cells == [f"'{key}" if key.startswith(begins_formula) else key for key in KEYS.values()]


def test_json_lines_end_at_line_feeds_alone() -> None:
    for number, key in enumerate(KEYS.values()):
        directory.store(f"client-{number}", key)
    lines = exported_json()
    assert [line["publicKey"] for line in lines] == list(KEYS.values())
    assert "\r" not in exported()


def test_every_page_is_in_the_file_once() -> None:
    names = [f"client-{number}" for number in range(KEYS_A_PAGE * 2 + 1)]
    store_many(names)
    for lines in (exported_json(), exported_csv()):
        assert [line["clientId"] for line in lines] == names


def test_page_reads_each_table_once() -> None:
    store_many([f"client-{number}" for number in range(20)])
    with CaptureQueriesContext(connection) as captured:
        assert len(exported_json()) == 20
    queries = [query["sql"] for query in captured.captured_queries if query["sql"].startswith("SELECT")]
    # The last one finds no more keys.
    assert len(queries) == 4
    # A thousand numbers in a query take longer to write than their rows to read.
    assert not [sql for sql in queries if " IN (" in sql]


def test_filter_leaves_out_the_history_of_keys_between_those_that_it_keeps() -> None:
    for name in ("alice", "bob", "carol"):
        directory.store(name, f"{name}'s key")
    kept = PublicKey.objects.exclude(client_id="bob")
    lines = lines_of(b"".join(as_json_lines(kept)).decode())
    assert [(line["clientId"], line["history"][0]["newFingerprint"]) for line in lines] == [
        (name, directory.fingerprint(f"{name}'s key")) for name in ("alice", "carol")
    ]


def test_keys_far_from_each_other_are_read_without_those_between_them() -> None:
    assert of_keys([1, 2, 4]) == Q(key_id__gte=1, key_id__lte=4)
    assert of_keys([1, 1000]) == Q(key_id__in=[1, 1000])


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "＝", "＋", "－", "＠", "'"])  # noqa: RUF001
def test_no_cell_of_csv_begins_a_formula(start: str) -> None:
    formula = f"{start}HYPERLINK(1)"
    directory.store("-2-3", formula)
    REVOKE.decide(key_of("-2-3"), "=olga", f"{start}1+1")
    (row,) = exported_csv()
    assert (row["clientId"], row["publicKey"]) == ("'-2-3", f"'{formula}")
    assert row["history"].startswith("[")


def test_key_changed_meanwhile_is_exported_as_of_one_moment() -> None:
    """Its fingerprint is that of the newest change, whatever clients do while a page is read."""
    directory.store("alice", "key 0")

    is_over = threading.Event()
    exports: list[list[dict[str, Any]]] = []

    def change() -> None:
        for number in count(1):
            directory.store("alice", f"key {number}")
            if is_over.is_set():
                return

    def export_all_the_time() -> None:
        exports.extend(exported_json() for _ in range(10))
        is_over.set()

    assert all_at_once(change, export_all_the_time) == [None, None]
    assert len(exports) == 10
    for (line,) in exports:
        assert line["history"][-1]["newFingerprint"] == line["fingerprint"]
        assert len(line["history"]) == line["changes"] + 1


def test_memory_does_not_grow_with_the_directory() -> None:
    store_many([f"client-{number}" for number in range(5 * KEYS_A_PAGE)])
    few = PublicKey.objects.filter(pk__in=PublicKey.objects.values("pk")[:KEYS_A_PAGE])
    assert peak_of(PublicKey.objects.all()) < 2 * peak_of(few)


def peak_of(keys: QuerySet[PublicKey]) -> int:
    tracemalloc.start()
    try:
        for _ in as_json_lines(keys):
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
