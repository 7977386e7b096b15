import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.test import Client

from pkd import directory
from pkd.models import KeyChange, PublicKey
from pkd.revocation import MAX_KEYS_AT_ONCE

pytestmark = pytest.mark.django_db

LIST = "/admin/pkd/publickey/"


@pytest.fixture(autouse=True)
def keys() -> None:
    for client_id in ("alice", "bob", "carol"):
        directory.store(client_id, f"{client_id}'s key")


class Revocation:
    """An operator on the way from the list to a revoked key."""

    def __init__(self, browser: Client, *client_ids: str) -> None:
        self.browser = browser
        keys = PublicKey.objects.filter(client_id__in=client_ids)
        self.selection = {"action": "revoke_selected", "_selected_action": [key.pk for key in keys]}
        self.shown = [key.fingerprint for key in keys]

    def select(self) -> str:
        response = self.browser.post(LIST, {**self.selection, "index": 0}, follow=True)
        assert response.status_code == 200
        return response.text

    def confirm(self, reason: str) -> str:
        """Post what the confirmation page posts; returns the page, or the messages above the list."""
        form = {**self.selection, "confirmed": "yes", "fingerprint": self.shown, "reason": reason}
        response = self.browser.post(LIST, form)
        if response.status_code == 302:
            return " ".join(str(message) for message in get_messages(response.wsgi_request))
        return response.text


def test_selecting_asks_before_it_revokes(admin_pages: Client) -> None:
    page = Revocation(admin_pages, "alice", "bob").select()
    for key in PublicKey.objects.filter(client_id__in=["alice", "bob"]):
        assert directory.grouped(key.fingerprint) in page
        assert f'name="fingerprint" value="{key.fingerprint}"' in page
        assert f'name="_selected_action" value="{key.pk}"' in page
    assert "carol" not in page
    assert 'name="reason"' in page
    assert 'name="csrfmiddlewaretoken"' in page
    assert directory.current_key("alice") == "alice's key"


def test_confirming_revokes_and_says_so(admin_pages: Client) -> None:
    said = Revocation(admin_pages, "alice", "bob").confirm("phones <stolen>")
    assert said == "Revoked 2 keys: bob, alice."
    assert directory.current_key("alice") is None
    assert directory.current_key("bob") is None
    assert directory.current_key("carol") == "carol's key"


def test_confirming_is_recorded_in_the_history(admin_pages: Client) -> None:
    Revocation(admin_pages, "alice").confirm(" phone stolen ")
    change = KeyChange.objects.get(kind="revoked")
    assert (change.key.client_id, change.who, change.reason) == ("alice", "olga", "phone stolen")
    assert change.old_fingerprint == directory.fingerprint("alice's key")


def test_confirming_is_recorded_in_the_log_of_the_admin(admin_pages: Client, olga: User) -> None:
    Revocation(admin_pages, "alice").confirm("phone stolen")
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_repr, entry.action_flag) == (olga, "alice", CHANGE)
    fingerprint = directory.grouped(directory.fingerprint("alice's key"))
    assert entry.get_change_message() == f"Revoked the key {fingerprint}: phone stolen"
    pk = PublicKey.objects.get(client_id="alice").pk
    assert "phone stolen" in admin_pages.get(f"{LIST}{pk}/history/").text


@pytest.mark.parametrize("reason", ["", "  \n ", "x" * 501, "nul\0"])
def test_confirming_takes_a_reason(admin_pages: Client, reason: str) -> None:
    page = Revocation(admin_pages, "alice").confirm(reason)
    assert "errorlist" in page
    assert 'name="fingerprint"' in page
    assert directory.current_key("alice") == "alice's key"
    assert not LogEntry.objects.exists()


def test_empty_reason_is_explained(admin_pages: Client) -> None:
    assert "Nothing was revoked yet. Give a reason first." in Revocation(admin_pages, "alice").confirm("")


def test_already_revoked_key_is_said_to_be_skipped(admin_pages: Client) -> None:
    Revocation(admin_pages, "alice").confirm("stolen")
    both = Revocation(admin_pages, "alice", "bob")
    assert "Skipped: already revoked" in both.select()
    said = both.confirm("stolen too")
    assert said == "Revoked the key of bob. Skipped, because already revoked: the key of alice."
    assert KeyChange.objects.filter(kind="revoked").count() == 2
    assert LogEntry.objects.count() == 2


def test_only_revoked_keys_leave_nothing_to_do(admin_pages: Client) -> None:
    Revocation(admin_pages, "alice").confirm("stolen")
    page = Revocation(admin_pages, "alice").select()
    assert "Nothing to revoke. Skipped, because already revoked: the key of alice." in page
    assert 'name="reason"' not in page


def test_key_replaced_before_the_confirmation_is_not_revoked(admin_pages: Client) -> None:
    revocation = Revocation(admin_pages, "alice")
    directory.store("alice", "alice's new key")
    said = revocation.confirm("stolen")
    assert said == "Not revoked, because the client published another key meanwhile: the key of alice."
    assert directory.current_key("alice") == "alice's new key"
    assert not LogEntry.objects.exists()


def test_viewer_is_not_offered_to_revoke_and_cannot(viewer_pages: Client) -> None:
    assert "revoke_selected" not in viewer_pages.get(LIST).text
    revocation = Revocation(viewer_pages, "alice")
    revocation.select()
    revocation.confirm("no right to")
    assert directory.current_key("alice") == "alice's key"
    assert not LogEntry.objects.exists()


def test_confirmation_needs_the_csrf_token(olga: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(olga)
    revocation = Revocation(browser, "alice")
    response = browser.post(LIST, {**revocation.selection, "confirmed": "yes", "reason": "forged"})
    assert response.status_code == 403
    assert directory.current_key("alice") == "alice's key"


def test_most_keys_at_once_are_revoked(admin_pages: Client) -> None:
    names = [f"client-{number}" for number in range(MAX_KEYS_AT_ONCE)]
    for name in names:
        directory.store(name, f"{name}'s key")
    assert f"Revoked {MAX_KEYS_AT_ONCE} keys:" in Revocation(admin_pages, *names).confirm("breach")
    assert PublicKey.objects.filter(revoked_at=None).count() == 3


def test_more_keys_at_once_are_refused_with_the_limit(admin_pages: Client) -> None:
    names = [f"client-{number}" for number in range(MAX_KEYS_AT_ONCE + 1)]
    for name in names:
        directory.store(name, f"{name}'s key")
    page = Revocation(admin_pages, *names).select()
    assert f"Nothing was revoked. Select at most {MAX_KEYS_AT_ONCE} keys at once." in page
    assert 'name="reason"' not in page
