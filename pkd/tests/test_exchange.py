"""The page that imports; what it does with a file is in `test_import.py`."""

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from pkd import directory
from pkd.models import KeyChange, PublicKey
from pkd.tests.conftest import operator

pytestmark = pytest.mark.django_db

PAGE = "/admin/pkd/publickey/import/"


def post(browser: Client, content: str | None, reason: str = "moved here", **fields: Any) -> str:
    """Post the form; returns the page, or the messages on the page that follows."""
    form = {"reason": reason} | fields
    if content is not None:
        form["file"] = SimpleUploadedFile("keys.bin", content.encode())
    response = browser.post(PAGE, form, follow=True)
    assert response.status_code == 200
    if response.redirect_chain:
        return " ".join(str(message) for message in response.context["messages"])
    return response.text


def test_file_is_imported_and_counted(admin_pages: Client) -> None:
    directory.store("bob", "key")
    said = post(admin_pages, "clientId,publicKey\nalice,key\nbob,key\n")
    assert said == "Imported 1 new and 0 changed keys; 1 were here already."
    change = KeyChange.objects.get(kind="imported")
    assert (change.key.client_id, change.who, change.reason) == ("alice", "olga", "moved here")


def test_bad_lines_are_named_and_nothing_is_imported(admin_pages: Client) -> None:
    page = post(admin_pages, 'clientId,publicKey\nalice,key\nb<b>,"k\ney"\ncarol,"k\0"\n')
    assert "Nothing was imported, because 2 lines of the file are bad." in page
    assert "Line 3: clientId must be" in page
    # A key goes over as many lines as it has; its line is the one where it begins.
    assert "Line 5: publicKey holds the character U+0000; give a key without it." in page
    assert "<b>" not in page
    assert not PublicKey.objects.exists()


def test_keys_are_replaced_only_where_that_is_allowed(admin_pages: Client) -> None:
    directory.store("alice", "first")
    file = json.dumps({"clientId": "alice", "publicKey": "second"})
    assert "Line 1: This client ID has another key here" in post(admin_pages, file)
    assert directory.current_key("alice") == "first"
    assert "1 changed" in post(admin_pages, file, may_replace="on")
    assert directory.current_key("alice") == "second"


def test_file_and_reason_are_asked_for(admin_pages: Client) -> None:
    assert "Nothing was imported yet. Choose a file first." in post(admin_pages, None)
    assert "Give a reason first." in post(admin_pages, "clientId,publicKey\nalice,key\n", reason=" ")
    assert "The submitted file is empty." in post(admin_pages, "")
    assert not PublicKey.objects.exists()


def test_page_needs_its_own_permission() -> None:
    browser = Client()
    everything_else = ("view_publickey", "revoke_publickey", "freeze_publickey", "export_publickey")
    browser.force_login(operator("oscar", *everything_else))
    assert browser.get(PAGE).status_code == 403
    assert browser.post(PAGE).status_code == 403
    assert PAGE not in browser.get("/admin/pkd/publickey/").text
    browser.force_login(operator("iris", "import_publickey"))
    assert post(browser, "clientId,publicKey\nalice,key\n").startswith("Imported 1 new")


def test_upload_needs_the_csrf_token() -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(operator("iris", "import_publickey"))
    assert browser.post(PAGE, {"reason": "forged"}).status_code == 403
