"""The pages of files; what becomes of a file is in `test_import_keys.py`, what is in one in `test_export.py`."""

import json
from typing import Any

import pytest
from channels.db import database_sync_to_async
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import AsyncClient, Client

from pkd import directory
from pkd.models import KeyChange, PublicKey
from pkd.tests.conftest import operator
from pkd.tests.files import exported, lines_of

pytestmark = pytest.mark.django_db
# Each page of an export is a transaction of its own, which is only so outside another one.
in_transactions = pytest.mark.django_db(transaction=True)

PAGE = "/admin/pkd/publickey/import/"
EXPORT = "/admin/pkd/publickey/export/"
ALICE = '{"clientId":"alice","publicKey":"key"}\n'


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
    said = post(admin_pages, ALICE + '{"clientId":"bob","publicKey":"key"}\n')
    assert said == "Imported 1 new and 0 changed keys; 1 were here already."
    change = KeyChange.objects.get(kind="imported")
    assert (change.key.client_id, change.who, change.reason) == ("alice", "olga", "moved here")


def test_bad_lines_are_named_and_nothing_is_imported(admin_pages: Client) -> None:
    lines = ({"clientId": "b<b>", "publicKey": "k\ney"}, {"clientId": "carol", "publicKey": "k\0"})
    page = post(admin_pages, ALICE + "\n".join(map(json.dumps, lines)))
    assert "Nothing was imported, because 2 lines of the file are bad." in page
    assert "Line 2: clientId must be" in page
    assert "Line 3: publicKey holds the character U+0000; give a key without it." in page
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
    assert "Give a reason first." in post(admin_pages, ALICE, reason=" ")
    assert "The submitted file is empty." in post(admin_pages, "")
    assert not PublicKey.objects.exists()


def test_import_needs_its_own_permission() -> None:
    browser = Client()
    everything_else = ("view_publickey", "revoke_publickey", "freeze_publickey", "export_publickey")
    browser.force_login(operator("oscar", *everything_else))
    assert browser.get(PAGE).status_code == 403
    assert browser.post(PAGE).status_code == 403
    assert PAGE not in browser.get("/admin/pkd/publickey/").text
    browser.force_login(operator("iris", "import_publickey"))
    assert post(browser, ALICE).startswith("Imported 1 new")


def test_upload_needs_the_csrf_token() -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(operator("iris", "import_publickey"))
    assert browser.post(PAGE, {"reason": "forged"}).status_code == 403


# --- Exports --------------------------------------------------------------------------------------------


def browser_of(*permissions: str) -> AsyncClient:
    browser = AsyncClient()
    browser.force_login(operator("otto", *permissions))
    return browser


async def text_of(response: Any) -> str:
    assert response.status_code == 200
    return b"".join([part async for part in response.streaming_content]).decode()


@pytest.fixture
def browser() -> AsyncClient:
    """The browser of an operator who may export."""
    return browser_of("view_publickey", "export_publickey")


@in_transactions
@pytest.mark.parametrize(
    ("extension", "media_type"), [("csv", "text/csv; charset=utf-8"), ("jsonl", "application/jsonl")]
)
async def test_page_gives_a_file(browser: AsyncClient, extension: str, media_type: str) -> None:
    await database_sync_to_async(directory.store)("alice", "key")
    response = await browser.get(f"{EXPORT}{extension}/")
    assert response["Content-Type"] == media_type
    assert response["Content-Disposition"].startswith('attachment; filename="public-keys-20')
    assert response["Content-Disposition"].endswith(f'.{extension}"')
    assert "no-store" in response["Cache-Control"]
    assert await text_of(response) == await database_sync_to_async(exported)(extension)


@in_transactions
async def test_page_gives_what_the_list_shows(browser: AsyncClient) -> None:
    for name in ("alice", "bob"):
        await database_sync_to_async(directory.store)(name, "key")
    found = lines_of(await text_of(await browser.get(f"{EXPORT}jsonl/", {"q": "bo"})))
    assert [line["clientId"] for line in found] == ["bob"]
    assert (await browser.get(f"{EXPORT}jsonl/", {"no_such_field": "1"})).status_code == 302
    assert (await browser.get(f"{EXPORT}json/")).status_code == 404


def test_export_needs_its_own_permission() -> None:
    client = Client()
    client.force_login(operator("oscar", "view_publickey", "revoke_publickey", "import_publickey"))
    assert client.get(f"{EXPORT}csv/").status_code == 403
    assert EXPORT not in client.get("/admin/pkd/publickey/").text
    client.force_login(operator("orla", "export_publickey"))
    assert client.get(f"{EXPORT}csv/").status_code == 403
    client.force_login(User.objects.create_user("mallory"))
    assert client.get(f"{EXPORT}csv/").status_code == 302


def test_list_offers_to_export_what_it_shows(admin_pages: Client) -> None:
    assert f'href="{EXPORT}csv/?q=bob"' in admin_pages.get("/admin/pkd/publickey/?q=bob").text
