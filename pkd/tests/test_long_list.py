"""The list of a large directory: how the database finds the keys of a page, and how many it reads for it."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from pkd import directory
from pkd.admin.paginator import MOST_COUNTED, KeyPaginator
from pkd.models import PublicKey
from pkd.search import FEW, LARGE, matching
from pkd.tests.test_admin import LIST, listed, read

pytestmark = pytest.mark.django_db

BEGAN = datetime(2024, 11, 29, 12, tzinfo=UTC)


def store(count: int, *, name: str = "member", first_pk: int = 1) -> None:
    """Put keys into the table, one an hour."""
    PublicKey.objects.bulk_create(
        PublicKey(
            pk=first_pk + number,
            client_id=f"{name}-{number}",
            public_key="key",
            fingerprint=directory.fingerprint(f"{name}-{number}"),
            first_seen=BEGAN,
            last_change=BEGAN + timedelta(hours=number),
        )
        for number in range(count)
    )


@pytest.fixture
def large() -> None:
    """A directory whose last number says that it is large."""
    store(300, first_pk=LARGE)
    store(2, name="Ember", first_pk=LARGE + 1000)
    # Postgres plans by what it counted last, at any time and of the rows of other tests.
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE pkd_publickey")


def plan(sql: str) -> str:
    """Return how the database carries a query out, where it reads no table from its beginning if it can help it."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN {sql}")
        else:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


def asked(browse: Callable[[], object]) -> list[str]:
    """Return what the database is asked about keys meanwhile."""
    with CaptureQueriesContext(connection) as captured:
        browse()
    return [query["sql"] for query in captured.captured_queries if "pkd_publickey" in query["sql"]]


@pytest.mark.parametrize(
    ("term", "index"),
    [
        ("Member-17", "pkd_client_id_any_case"),
        (directory.fingerprint("member-17")[:8], "pkd_publickey_fingerprint_43d09768"),
        (directory.grouped(directory.fingerprint("member-17")).upper(), "pkd_publickey_fingerprint_43d09768"),
    ],
    ids=["client ID", "fingerprint", "groups of a fingerprint"],
)
@pytest.mark.usefixtures("large")
def test_search_is_answered_by_an_index(admin_pages: Client, term: str, index: str) -> None:
    assert "member-17" in listed(admin_pages, q=term)
    plans = [plan(sql) for sql in asked(lambda: listed(admin_pages, q=term)) if "WHERE" in sql]
    assert any(index in one for one in plans)
    assert not [one for one in plans if re.search("Seq Scan|SCAN pkd_publickey$", one, re.MULTILINE)]


@pytest.mark.usefixtures("large")
def test_search_finds_what_begins_so_and_what_holds_it_where_nothing_does(admin_pages: Client) -> None:
    assert listed(admin_pages, q="EMBER") == {"Ember-0", "Ember-1"}
    assert "member-299" in listed(admin_pages, q="*EMBER")
    assert listed(admin_pages, q="ber-299") == {"member-299"}
    assert listed(admin_pages, q="ber_299") == listed(admin_pages, q="em%") == set()
    # A “*” says that it is no fingerprint.
    assert listed(admin_pages, q=f"*{directory.fingerprint('member-17')}") == set()


def test_search_of_a_small_directory_finds_every_part(admin_pages: Client) -> None:
    store(3)
    store(3, name="Ember", first_pk=10)
    assert len(listed(admin_pages, q="ember")) == len(listed(admin_pages, q="*ember")) == 6


def test_beginning_that_many_have_is_looked_for_in_the_order_of_the_list(admin_pages: Client) -> None:
    store(FEW + 1, first_pk=LARGE)
    keys: list[PublicKey] = []
    *_, query = asked(lambda: keys.extend(matching(PublicKey.objects.all(), "MEM")[:2]))
    assert [key.client_id for key in keys] == [f"member-{FEW}", f"member-{FEW - 1}"]
    # The other index would give all of them, to be sorted.
    assert "pkd_client_id_any_case" not in plan(query)
    text = read(admin_pages, f"{LIST}?q=mem")
    assert f"{MOST_COUNTED} public keys There are more" in text
    assert "There are more" not in read(admin_pages, LIST)


def test_list_counts_all_keys_once_and_those_of_a_filter_up_to_a_bound(admin_pages: Client) -> None:
    store(3)
    every = [sql for sql in asked(lambda: listed(admin_pages)) if "COUNT" in sql]
    some = [sql for sql in asked(lambda: listed(admin_pages, changed_times="never")) if "COUNT" in sql]
    assert len(every) == len(some) == 1
    assert f"LIMIT {MOST_COUNTED + 1}" in some[0]


def test_last_page_is_read_from_the_end(admin_pages: Client) -> None:
    store(302)
    assert listed(admin_pages, p="4") == {"member-0", "member-1"}
    (query,) = [sql for sql in asked(lambda: listed(admin_pages, p="4")) if "public_key" in sql]
    assert "OFFSET" not in query


@pytest.mark.parametrize("order", ["-last_change", "last_change", "client_id", "fingerprint"])
@pytest.mark.parametrize("is_whole", [True, False])
def test_pages_are_those_of_the_order(order: str, *, is_whole: bool) -> None:
    store(23)
    keys = PublicKey.objects.order_by(order, "-client_id")
    pages = KeyPaginator(keys, 5, is_whole=is_whole)
    assert [key for page in pages for key in page] == list(keys)
    assert (pages.num_pages, pages.count, pages.is_cut) == (5, 23, False)


def test_filter_that_few_keys_pass_reads_no_other(admin_pages: Client) -> None:
    store(300)
    PublicKey.objects.filter(client_id="member-7").update(revoked_at=BEGAN)
    assert listed(admin_pages, revoked="yes") == {"member-7"}
    plans = [plan(sql) for sql in asked(lambda: listed(admin_pages, revoked="yes"))]
    assert any("pkd_revoked_keys" in one for one in plans)
    assert not any("OFFSET" in sql or " 100" in sql for sql in plans)


def test_filter_without_an_index_is_asked_once_and_then_by_the_keys_that_pass(admin_pages: Client) -> None:
    store(300)
    PublicKey.objects.filter(client_id="member-7").update(changes=2)
    *_, query = [sql for sql in asked(lambda: listed(admin_pages, changed_times="more")) if "public_key" in sql]
    assert "IN ('member-7')" in query


def links(browser: Client, query: str = "") -> list[tuple[str, str]]:
    """Return the links to dates above the list: each title, and where it leads."""
    page = browser.get(f"{LIST}?{query}").text
    (shown,) = re.findall(r'<nav class="toplinks">(.*?)</nav>', page, re.DOTALL)
    found = re.findall(r'<a href="\?([^"]*)"[^>]*>(?:&lsaquo; )?(.*?)</a>', shown)
    return [(title, unescape(where)) for where, title in found]


def test_dates_lead_from_years_to_months_to_days(admin_pages: Client) -> None:
    store(24 * 40)
    year, month = "last_change__year=2024", "last_change__month=12"
    assert links(admin_pages, "revoked=no&p=2") == [
        ("2024", f"revoked=no&{year}"),
        ("2025", "revoked=no&last_change__year=2025"),
    ]
    assert links(admin_pages, year) == [
        ("All dates", ""),
        ("November 2024", f"{year}&last_change__month=11"),
        ("December 2024", f"{year}&{month}"),
    ]
    days = links(admin_pages, f"{year}&{month}")
    assert days[:2] == [("2024", year), ("December 1", f"{year}&{month}&last_change__day=1")]
    assert len(days) == 32
    assert [title for title, _ in links(admin_pages, "last_change__year=2025&last_change__month=1")] == [
        "2025",
        *(f"January {day}" for day in range(1, 9)),
    ]
    assert links(admin_pages, days[1][1]) == [("December 2024", f"{year}&{month}")]
    assert len(listed(admin_pages, last_change__year="2024", last_change__month="11")) == 36


def test_dates_of_one_month_are_its_days(admin_pages: Client) -> None:
    store(24)
    assert [title for title, _ in links(admin_pages)] == ["2024", "November 29", "November 30"]


def test_dates_ask_for_the_first_and_the_last_change_alone(admin_pages: Client) -> None:
    store(3)
    queries = asked(lambda: links(admin_pages))
    assert len([sql for sql in queries if "LIMIT 1" in sql and "public_key" not in sql]) == 2
    assert not [sql for sql in queries if "DISTINCT" in sql]


@pytest.mark.parametrize(
    "query",
    [
        "last_change__year=x",
        "last_change__year=2024&last_change__month=13",
        "last_change__year=9999",
        "last_change__year=9999&last_change__month=12&last_change__day=31",
        f"last_change__year=2024&last_change__month=2&last_change__day={10**20}",
    ],
)
def test_date_that_is_none_leads_back_to_the_list(admin_pages: Client, query: str) -> None:
    store(1)
    assert admin_pages.get(f"{LIST}?{query}").status_code == 302


@pytest.mark.parametrize(
    "query",
    ["first_seen__gte=9999-12-31T23:59:59-14:00", "last_change__lt=0001-01-01T00:00:00%2B14:00", "client_id=a%00b"],
)
def test_value_that_no_database_holds_leads_to_the_list(admin_pages: Client, query: str) -> None:
    store(1)
    assert admin_pages.get(f"{LIST}?{query}", follow=True).status_code == 200


@pytest.mark.parametrize("query", ["last_change__day=31", "last_change__month=13&last_change__day=31"])
def test_day_without_a_year_is_a_filter_and_no_place_among_the_dates(admin_pages: Client, query: str) -> None:
    store(24)
    assert [title for title, _ in links(admin_pages, query)] == ["2024", "November 29", "November 30"]


def test_empty_directory_has_no_dates(admin_pages: Client) -> None:
    assert "toplinks" not in admin_pages.get(LIST).text
