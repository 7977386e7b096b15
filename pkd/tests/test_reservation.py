import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from pkd import directory
from pkd.models import PublicKey

pytestmark = pytest.mark.django_db

PAGE = "/admin/pkd/publickey/reserve/"


def reserve(browser: Client, client_ids: str, reason: str = "nobody's name") -> str:
    """Post the form; returns the page, or the messages above the list."""
    response = browser.post(PAGE, {"client_ids": client_ids, "reason": reason}, follow=True)
    if response.redirect_chain:
        return " ".join(str(message) for message in response.context["messages"])
    assert response.status_code == 200
    return response.text


def known() -> set[str]:
    return set(PublicKey.objects.values_list("client_id", flat=True))


def test_ids_are_reserved_one_a_line(admin_pages: Client) -> None:
    assert reserve(admin_pages, "admin\r\n  root \r\n\r\nadmin\r\n") == "Reserved admin, root."
    for client_id in ("admin", "root"):
        with pytest.raises(directory.KeyFrozenError):
            directory.store(client_id, "evil")
    assert {entry.get_change_message() for entry in LogEntry.objects.all()} == {"Reserved the client ID: nobody's name"}


def test_known_ids_are_skipped_and_named(admin_pages: Client) -> None:
    directory.store("alice", "key")
    said = reserve(admin_pages, "alice\nadmin")
    assert said == "Reserved admin. Skipped, because already in the directory: alice. Freeze those in the list."
    assert directory.current_key("alice") == "key"
    assert LogEntry.objects.count() == 1


@pytest.mark.parametrize(
    ("client_ids", "sentence"),
    [
        ("admin\nböb\nroot", "Line 2 is no client ID; write 1 to 64 letters, digits, hyphens or underscores."),
        (" \n ", "Nothing was reserved yet. Give a client ID first."),
        ("\n".join(f"client-{number}" for number in range(201)), "Reserve at most 200 client IDs at once."),
    ],
    ids=["bad line", "nothing", "too many"],
)
def test_bad_ids_reserve_nothing(admin_pages: Client, client_ids: str, sentence: str) -> None:
    assert sentence in reserve(admin_pages, client_ids)
    assert known() == set()


def test_reserving_takes_a_reason(admin_pages: Client) -> None:
    assert "Give a reason first." in reserve(admin_pages, "admin", reason=" ")
    assert known() == set()


def test_viewer_is_not_offered_to_reserve_and_cannot(viewer_pages: Client, admin_pages: Client) -> None:
    assert PAGE in admin_pages.get("/admin/pkd/publickey/").text
    assert PAGE not in viewer_pages.get("/admin/pkd/publickey/").text
    assert viewer_pages.get(PAGE).status_code == 403
    assert viewer_pages.post(PAGE, {"client_ids": "admin", "reason": "no right to"}).status_code == 403
    assert known() == set()
