import re
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
import zxingcpp
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from django.utils.html import strip_tags
from pytest_django import DjangoAssertNumQueries, Settings

from pkd import directory
from pkd.decisions import FREEZE, REVOKE, reserve
from pkd.models import NEWEST_CHANGES_SHOWN, KeyChange, PublicKey
from pkd.tests.samples import KEYS

pytestmark = pytest.mark.django_db

LIST = "/admin/pkd/publickey/"


@pytest.fixture(autouse=True)
def keys() -> None:
    directory.store("alice", "alice's key")
    directory.store("bob", "bob's key")
    directory.store("bob", "bob's other key")


def page_of(client_id: str) -> str:
    return f"{LIST}{PublicKey.objects.get(client_id=client_id).pk}/change/"


def read(browser: Client, url: str) -> str:
    """Return the page's text, each run of white space as one space."""
    response = browser.get(url)
    assert response.status_code == 200
    spaced = response.text.replace("<wbr>", "").replace("<", " <")
    return " ".join(unescape(strip_tags(spaced)).split())


def listed(browser: Client, **query: str) -> set[str]:
    response = browser.get(LIST, query)
    assert response.status_code == 200
    return {key.client_id for key in response.context["cl"].result_list}


def test_list_shows_what_an_operator_needs(admin_pages: Client) -> None:
    text = read(admin_pages, LIST)
    shown = ["Client ID", "Online now", "State", "Fingerprint", "Changes", "Last change (UTC)"]
    for column in shown:
        assert column in text
    bob = directory.grouped(directory.fingerprint("bob's other key"))
    assert f"bob - {bob[:19]} " in text
    assert bob not in text
    assert "2 public keys" in text


def test_list_never_shows_a_whole_key(admin_pages: Client) -> None:
    assert "bob's other key" not in read(admin_pages, LIST)


def test_list_asks_as_often_for_many_keys_as_for_few(
    admin_pages: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(60):
        directory.store(f"client-{number}", "key")
    with django_assert_max_num_queries(12):
        assert len(listed(admin_pages)) == 62


def test_list_says_that_nobody_knows_who_is_online_without_redis(admin_pages: Client, settings: Settings) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{closed.getsockname()[1]}"
        config = {"BACKEND": "signaling.delivery.redis_layer.RedisChannelLayer", "CONFIG": {"hosts": [url]}}
        settings.CHANNEL_LAYERS = {"default": config}
        assert "icon-unknown" in admin_pages.get(LIST).text
        assert "icon-unknown" in admin_pages.get(page_of("alice")).text


def test_search_finds_part_of_a_client_id_in_any_case(admin_pages: Client) -> None:
    assert listed(admin_pages, q="LIC") == {"alice"}
    assert listed(admin_pages, q=" bob ") == {"bob"}
    assert listed(admin_pages, q="nobody") == set()
    assert listed(admin_pages, q="'\"%_\\") == set()


@pytest.mark.parametrize(
    "written",
    [
        lambda fingerprint: fingerprint,
        lambda fingerprint: fingerprint[:7],
        lambda fingerprint: fingerprint.upper(),
        lambda fingerprint: directory.grouped(fingerprint)[:23],
        lambda fingerprint: f"  {directory.grouped(fingerprint).upper()}  ",
        lambda fingerprint: ":".join(re.findall("..", fingerprint)),
    ],
    ids=["whole", "seven digits", "capitals", "groups", "groups in capitals", "colons"],
)
def test_search_finds_the_beginning_of_a_fingerprint(admin_pages: Client, written: Callable[[str], str]) -> None:
    assert listed(admin_pages, q=written(directory.fingerprint("alice's key"))) == {"alice"}


def test_search_finds_no_middle_of_a_fingerprint(admin_pages: Client) -> None:
    assert listed(admin_pages, q=directory.fingerprint("alice's key")[1:]) == set()


@pytest.mark.parametrize("field", ["first_seen", "last_change"])
def test_filter_by_date_keeps_that_period(admin_pages: Client, field: str) -> None:
    a_year_ago = timezone.now() - timedelta(days=365)
    PublicKey.objects.filter(client_id="alice").update(**{field: a_year_ago})
    today = datetime.now(UTC).date()
    since_yesterday = {f"{field}__gte": f"{today - timedelta(days=1)} 00:00:00+00:00"}
    assert listed(admin_pages, **since_yesterday) == {"bob"}
    assert "Past 7 days" in read(admin_pages, LIST)


def test_filter_tells_revoked_keys_from_current_ones(admin_pages: Client) -> None:
    REVOKE.decide(PublicKey.objects.get(client_id="bob"), "olga", "stolen")
    assert listed(admin_pages, revoked="yes") == {"bob"}
    assert listed(admin_pages, revoked="no") == {"alice"}
    assert listed(admin_pages, revoked="<nonsense>") == {"alice", "bob"}


def test_filter_finds_frozen_and_reserved_ids(admin_pages: Client) -> None:
    FREEZE.decide(PublicKey.objects.get(client_id="bob"), "olga", "vip")
    reserve("admin", "olga", "nobody is admin")
    assert listed(admin_pages, frozen="yes") == {"bob", "admin"}
    assert listed(admin_pages, frozen="no") == {"alice"}
    assert listed(admin_pages, frozen="reserved") == {"admin"}


def test_filter_finds_keys_that_changed_lately(admin_pages: Client) -> None:
    directory.store("carol", "carol's key")
    directory.store("carol", "carol's other key")
    PublicKey.objects.filter(client_id="carol").update(last_change=timezone.now() - timedelta(days=20))
    assert listed(admin_pages, changed_days="7") == {"bob"}
    assert listed(admin_pages, changed_days="30") == listed(admin_pages, changed_days="90") == {"bob", "carol"}
    assert listed(admin_pages, changed_days="<nonsense>") == {"alice", "bob", "carol"}


def test_filter_finds_keys_that_changed_more_than_once(admin_pages: Client) -> None:
    assert listed(admin_pages, changed_times="more") == set()
    directory.store("bob", "bob's third key")
    assert listed(admin_pages, changed_times="more") == {"bob"}
    assert listed(admin_pages, changed_times="never") == {"alice"}
    assert listed(admin_pages, changed_times="once") == set()


def test_page_shows_the_whole_key_and_its_history(admin_pages: Client) -> None:
    key = PublicKey.objects.get(client_id="bob")
    REVOKE.decide(key, "otto", "phone stolen")
    text = read(admin_pages, page_of("bob"))
    first, second = (directory.grouped(directory.fingerprint(text)) for text in ("bob's key", "bob's other key"))
    assert "Public key: bob's other key" in text
    assert f"Fingerprint: {second}" in text
    newest_first = [
        f"Revoked otto {second} - phone stolen",
        f"Changed client {first} {second} -",
        f"Published client - {first} -",
    ]
    at = [text.index(row) for row in newest_first]
    assert at == sorted(at)


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_page_shows_the_key_as_it_is(admin_pages: Client, key: str) -> None:
    directory.store("bob", key)
    shown = re.search(r'<pre class="public-key">\n(.*?)</pre>', admin_pages.get(page_of("bob")).text, re.DOTALL)
    assert shown is not None
    # A browser takes a line end for LF where it is not spelt out.
    assert "\r" not in shown[1]
    assert unescaped(shown[1]) == key


def unescaped(text: str) -> str:
    """Read Django's five references and ours; Python's `unescape` would mend characters that HTML leaves alone."""
    return re.sub("&(?:#13|#x27|amp|lt|gt|quot);", lambda found: unescape(found[0]), text)


def test_page_draws_the_fingerprint_as_a_qr_code(admin_pages: Client) -> None:
    key = KEYS["PEM of Windows"]
    directory.store("bob", key)
    svg = re.search(r'<svg [^>]*class="segno".*?</svg>', admin_pages.get(page_of("bob")).text, re.DOTALL)
    assert svg is not None
    (code,) = zxingcpp.read_barcodes(pixels(svg[0]))
    assert code.text == directory.fingerprint(key)


def pixels(svg: str) -> memoryview:
    """Draw what segno writes: a dark path of horizontal lines on a light square; four pixels a unit."""
    size = int(re.findall(r"M0 0h(\d+)", svg)[0]) * 4
    image = bytearray(b"\xff") * (size * size)
    x, y = 0.0, 0.0
    for command, numbers in re.findall(r"([Mmh])([-\d. ]+)", re.findall(r'stroke="#000" d="([^"]+)', svg)[0]):
        values = [float(number) for number in numbers.split()]
        if command == "h":
            for row in range(int((y - 0.5) * 4), int((y + 0.5) * 4)):
                start, length = row * size + int(x * 4), int(values[0] * 4)
                image[start : start + length] = bytes(length)
            x += values[0]
        else:
            x, y = (values[0], values[1]) if command == "M" else (x + values[0], y + values[1])
    return memoryview(image).cast("B", [size, size])


def test_reserved_id_has_a_page_without_a_fingerprint(admin_pages: Client) -> None:
    reserve("admin", "olga", "nobody is admin")
    text = read(admin_pages, page_of("admin"))
    assert "Fingerprint: -" in text
    assert "Fingerprint as QR code: -" in text
    assert "Frozen olga - - nobody is admin" in text


def test_page_survives_a_very_long_history(admin_pages: Client) -> None:
    key = PublicKey.objects.get(client_id="bob")
    KeyChange.objects.bulk_create(
        KeyChange(key=key, kind=KeyChange.Kind.CHANGED, who="client", reason=f"entry {number};")
        for number in range(NEWEST_CHANGES_SHOWN + 100)
    )
    text = read(admin_pages, page_of("bob"))
    assert f"entry {NEWEST_CHANGES_SHOWN + 99};" in text
    assert "entry 100;" in text
    assert "entry 99;" not in text


def test_page_costs_no_query_per_change(
    admin_pages: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(20):
        directory.store("bob", f"key {number}")
    with django_assert_max_num_queries(14):
        admin_pages.get(page_of("bob"))


def test_nothing_can_be_added_edited_or_deleted(admin_client: Client) -> None:
    """Not even by a superuser."""
    url = page_of("alice")
    before = list(PublicKey.objects.values())
    assert admin_client.get(f"{LIST}add/").status_code == 403
    assert admin_client.post(f"{LIST}add/", {"client_id": "eve"}).status_code == 403
    assert admin_client.post(url, {"client_id": "eve", "public_key": "x"}).status_code == 403
    assert admin_client.get(url.replace("change", "delete")).status_code == 403
    assert admin_client.post(url.replace("change", "delete"), {"post": "yes"}).status_code == 403
    form = admin_client.get(url).text
    assert 'name="public_key"' not in form
    assert 'name="_save"' not in form
    assert "delete_selected" not in admin_client.get(LIST).text
    assert list(PublicKey.objects.values()) == before


def test_admin_is_for_operators_alone(client: Client) -> None:
    assert client.get(LIST).status_code == 302
    client.force_login(User.objects.create_user("mallory"))
    assert client.get(LIST).status_code == 302
    client.force_login(User.objects.create_user("newcomer", is_staff=True))
    assert client.get(LIST).status_code == 403


@pytest.mark.parametrize("page", ["list", "key", "confirmation", "reserve", "import"])
def test_page_needs_nothing_inline(admin_pages: Client, page: str) -> None:
    if page == "confirmation":
        key = PublicKey.objects.get(client_id="bob")
        html = admin_pages.post(LIST, {"action": "revoke_selected", "_selected_action": key.pk}).text
    else:
        urls = {"list": LIST, "key": page_of("bob"), "reserve": f"{LIST}reserve/", "import": f"{LIST}import/"}
        html = admin_pages.get(urls[page]).text
    assert "Public keys" in html
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", html)
    assert not re.search(r"<script(?![^>]*\ssrc=\"/)", html)
    assert not re.search(r"(?:src|action)=\"(?:https?:)?//", html)
