import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client

from pkd import directory
from pkd.admin.actions import MAX_KEYS_AT_ONCE
from pkd.decisions import REVOKE, reserve
from pkd.models import KeyChange, PublicKey
from pkd.tests.conftest import operator

pytestmark = pytest.mark.django_db

LIST = "/admin/pkd/publickey/"


@pytest.fixture(autouse=True)
def keys() -> None:
    for client_id in ("alice", "bob", "carol"):
        directory.store(client_id, f"{client_id}'s key")


class Selection:
    """An operator on the way from the list to a decision about keys."""

    def __init__(self, browser: Client, *client_ids: str, action: str = "revoke_selected") -> None:
        self.browser = browser
        keys = PublicKey.objects.filter(client_id__in=client_ids)
        self.selection = {"action": action, "_selected_action": [key.pk for key in keys]}
        self.shown = [key.fingerprint for key in keys]

    def select(self) -> str:
        response = self.browser.post(LIST, {**self.selection, "index": 0}, follow=True)
        assert response.status_code == 200
        return response.text

    def confirm(self, reason: str, **more: str) -> str:
        """Post what the confirmation page posts; returns the page, or the messages above the list."""
        form = {**self.selection, "confirmed": "yes", "fingerprint": self.shown, "reason": reason, **more}
        response = self.browser.post(LIST, form, follow=True)
        if response.redirect_chain:
            return " ".join(str(message) for message in response.context["messages"])
        return response.text


def test_selecting_asks_before_it_revokes(admin_pages: Client) -> None:
    page = Selection(admin_pages, "alice", "bob").select()
    for key in PublicKey.objects.filter(client_id__in=["alice", "bob"]):
        assert directory.grouped(key.fingerprint) in page
        assert f'name="fingerprint" value="{key.fingerprint}"' in page
        assert f'name="_selected_action" value="{key.pk}"' in page
    assert "carol" not in page
    assert 'name="reason"' in page
    assert 'name="csrfmiddlewaretoken"' in page
    assert directory.current_key("alice") == "alice's key"


def test_revoking_says_what_it_does_not_stop_and_offers_to_freeze_as_well(admin_pages: Client) -> None:
    selection = Selection(admin_pages, "alice")
    page = selection.select()
    assert "does not stop a thief" in page
    assert "Freeze as well" in page
    assert selection.confirm("stolen", as_well="on") == "Froze the key of alice. Revoked the key of alice."
    alice = PublicKey.objects.get(client_id="alice")
    assert (alice.is_revoked, alice.is_frozen) == (True, True)
    assert [change.reason for change in alice.history.all()[:2]] == ["stolen", "stolen"]


def test_who_may_not_freeze_is_not_offered_to(admin_pages: Client, olga: User) -> None:
    olga.user_permissions.remove(Permission.objects.get(codename="freeze_publickey"))
    selection = Selection(admin_pages, "alice")
    assert "Freeze as well" not in selection.select()
    assert selection.confirm("stolen", as_well="on") == "Revoked the key of alice."
    assert not PublicKey.objects.get(client_id="alice").is_frozen


def test_decision_returns_to_the_search_it_came_from(admin_pages: Client) -> None:
    alice = PublicKey.objects.get(client_id="alice")
    form = {"action": "freeze_selected", "_selected_action": [alice.pk], "confirmed": "yes", "reason": "vip"}
    response = admin_pages.post(f"{LIST}?q=ali", form | {"fingerprint": alice.fingerprint})
    assert response["Location"] == f"{LIST}?q=ali"


def test_confirming_revokes_and_says_so(admin_pages: Client) -> None:
    said = Selection(admin_pages, "alice", "bob").confirm("phones <stolen>")
    assert said == "Revoked 2 keys: bob, alice."
    assert directory.current_key("alice") is None
    assert directory.current_key("bob") is None
    assert directory.current_key("carol") == "carol's key"


def test_confirming_is_recorded_in_the_history(admin_pages: Client) -> None:
    Selection(admin_pages, "alice").confirm(" phone stolen ")
    change = KeyChange.objects.get(kind="revoked")
    assert (change.key.client_id, change.who, change.reason) == ("alice", "olga", "phone stolen")
    assert change.old_fingerprint == directory.fingerprint("alice's key")


def test_confirming_is_recorded_in_the_log_of_the_admin(admin_pages: Client, olga: User) -> None:
    Selection(admin_pages, "alice").confirm("phone stolen")
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_repr, entry.action_flag) == (olga, "alice", CHANGE)
    fingerprint = directory.grouped(directory.fingerprint("alice's key"))
    assert entry.get_change_message() == f"Revoked the key {fingerprint}: phone stolen"
    pk = PublicKey.objects.get(client_id="alice").pk
    assert "phone stolen" in admin_pages.get(f"{LIST}{pk}/history/").text


@pytest.mark.parametrize("reason", ["", "  \n ", "x" * 501, "nul\0"])
def test_confirming_takes_a_reason(admin_pages: Client, reason: str) -> None:
    page = Selection(admin_pages, "alice").confirm(reason)
    assert "errorlist" in page
    assert 'name="fingerprint"' in page
    assert directory.current_key("alice") == "alice's key"
    assert not LogEntry.objects.exists()


def test_empty_reason_is_explained(admin_pages: Client) -> None:
    assert "Nothing was done yet. Give a reason first." in Selection(admin_pages, "alice").confirm("")


def test_already_revoked_key_is_said_to_be_skipped(admin_pages: Client) -> None:
    Selection(admin_pages, "alice").confirm("stolen")
    both = Selection(admin_pages, "alice", "bob")
    assert "Skipped: already revoked" in both.select()
    said = both.confirm("stolen too")
    assert said == "Revoked the key of bob. Skipped, because already revoked: the key of alice."
    assert KeyChange.objects.filter(kind="revoked").count() == 2
    assert LogEntry.objects.count() == 2


def test_only_revoked_keys_leave_nothing_to_do(admin_pages: Client) -> None:
    Selection(admin_pages, "alice").confirm("stolen")
    page = Selection(admin_pages, "alice").select()
    assert "Nothing to do. Skipped, because already revoked: the key of alice." in page
    assert 'name="reason"' not in page


def test_key_replaced_before_the_confirmation_is_not_revoked(admin_pages: Client) -> None:
    revocation = Selection(admin_pages, "alice")
    directory.store("alice", "alice's new key")
    said = revocation.confirm("stolen")
    assert said == "Skipped, because the client published another key meanwhile: the key of alice."
    assert directory.current_key("alice") == "alice's new key"
    assert not LogEntry.objects.exists()


def test_lifting_a_revocation_gives_the_key_back(admin_pages: Client) -> None:
    Selection(admin_pages, "alice").confirm("stolen")
    lifting = Selection(admin_pages, "alice", "bob", action="lift_selected")
    assert "Skipped: not revoked" in lifting.select()
    said = lifting.confirm("found again")
    assert said == "Lifted the revocation of the key of alice. Skipped, because not revoked: the key of bob."
    assert directory.current_key("alice") == "alice's key"
    assert KeyChange.objects.get(kind="lifted").reason == "found again"


def test_freezing_and_unfreezing_bind_the_client(admin_pages: Client) -> None:
    assert Selection(admin_pages, "alice", action="freeze_selected").confirm("vip") == "Froze the key of alice."
    with pytest.raises(directory.KeyFrozenError):
        directory.store("alice", "another key")
    unfreezing = Selection(admin_pages, "alice", action="unfreeze_selected")
    assert unfreezing.confirm("new phone") == "Unfroze the key of alice."
    directory.store("alice", "another key")
    assert directory.current_key("alice") == "another key"


def test_reserved_id_is_unfrozen_like_any_other(admin_pages: Client) -> None:
    reserve("admin", "olga", "for later")
    unfreezing = Selection(admin_pages, "admin", action="unfreeze_selected")
    assert 'name="fingerprint" value=""' in unfreezing.select()
    assert unfreezing.confirm("here they are") == "Unfroze the key of admin."
    assert LogEntry.objects.get().get_change_message() == "Unfroze the key (none yet): here they are"


@pytest.mark.parametrize("action", ["revoke_selected", "lift_selected", "freeze_selected", "unfreeze_selected"])
def test_action_needs_its_own_permission(action: str) -> None:
    needed = "freeze_publickey" if "freeze" in action else "revoke_publickey"
    others = {"freeze_publickey", "revoke_publickey", "export_publickey", "import_publickey"} - {needed}
    REVOKE.decide(PublicKey.objects.get(client_id="alice"), "otto", "stolen")
    browser = Client()
    browser.force_login(operator("oscar", "view_publickey", *others))
    assert action not in browser.get(LIST).text
    Selection(browser, "alice", "bob", action=action).confirm("no right to")
    assert KeyChange.objects.count() == 4
    browser.force_login(operator("orla", "view_publickey", needed))
    assert action in browser.get(LIST).text


def test_viewer_is_not_offered_to_revoke_and_cannot(viewer_pages: Client) -> None:
    assert "revoke_selected" not in viewer_pages.get(LIST).text
    revocation = Selection(viewer_pages, "alice")
    revocation.select()
    revocation.confirm("no right to")
    assert directory.current_key("alice") == "alice's key"
    assert not LogEntry.objects.exists()


def test_confirmation_needs_the_csrf_token(olga: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(olga)
    revocation = Selection(browser, "alice")
    response = browser.post(LIST, {**revocation.selection, "confirmed": "yes", "reason": "forged"})
    assert response.status_code == 403
    assert directory.current_key("alice") == "alice's key"


def test_most_keys_at_once_are_revoked(admin_pages: Client) -> None:
    names = [f"client-{number}" for number in range(MAX_KEYS_AT_ONCE)]
    for name in names:
        directory.store(name, f"{name}'s key")
    assert f"Revoked {MAX_KEYS_AT_ONCE} keys:" in Selection(admin_pages, *names).confirm("breach")
    assert PublicKey.objects.filter(revoked_at=None).count() == 3


def test_more_keys_at_once_are_refused_with_the_limit(admin_pages: Client) -> None:
    names = [f"client-{number}" for number in range(MAX_KEYS_AT_ONCE + 1)]
    for name in names:
        directory.store(name, f"{name}'s key")
    page = Selection(admin_pages, *names).select()
    assert f"Nothing was done. Select at most {MAX_KEYS_AT_ONCE} keys at once." in page
    assert 'name="reason"' not in page
