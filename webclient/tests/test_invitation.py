"""The link by which somebody calls."""

from io import BytesIO

import pytest
import zxingcpp
from PIL import Image
from playwright.async_api import expect

from webclient.tests.conftest import Meet, Site, Visit
from webclient.tests.gallery import Gallery

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_invitation_is_copied_read_and_followed(memory_site: Site, visit: Visit, gallery: Gallery) -> None:
    permissions = ["microphone", "camera", "clipboard-read", "clipboard-write"]
    alice = await (await visit("alice", memory_site.here, permissions=permissions)).enters()
    await alice.clicks("Invite somebody")
    await gallery.shows(alice, "invitation")
    link = f"{memory_site.here.http_url}/demo/?call={alice.id}"
    await expect(alice.page.get_by_label("The link", exact=True)).to_have_value(link)
    picture = await alice.page.get_by_role("img", name="The link as a QR code").screenshot()
    assert [code.text for code in zxingcpp.read_barcodes(Image.open(BytesIO(picture)))] == [link]
    await alice.clicks("Copy the link")
    await alice.sees("Copied.")
    assert await alice.page.evaluate("navigator.clipboard.readText()") == link

    bob = await visit("bob", memory_site.here)
    await bob.page.goto(link)
    # Nobody is called before somebody has read whom, and agreed.
    await bob.sees(f"{alice.id} invites you. Choose a name, and the call begins.")
    await bob.page.get_by_label("Your name").fill(bob.id)
    await bob.clicks("Continue")
    await alice.rings(bob)
    await alice.clicks("Answer")
    await bob.sees(f"In a call with {alice.id}.")
    # The dialog whose link brought the call is not before it.
    await expect(alice.page.get_by_role("dialog", name="Invite somebody")).to_be_hidden()
    await alice.clicks("Hang up")


async def test_link_that_cannot_be_copied_is_marked(memory_site: Site, meet: Meet) -> None:
    alice = await meet("alice", memory_site.here)
    await alice.page.evaluate("() => { navigator.clipboard.writeText = async () => { throw new Error('no'); }; }")
    await alice.clicks("Invite somebody")
    await alice.clicks("Copy the link")
    await alice.sees("The browser did not copy it.")
    field = "document.getElementById('invitation-link')"
    assert await alice.page.evaluate(f"{field}.selectionEnd - {field}.selectionStart === {field}.value.length")
    await alice.clicks("Done")
    await alice.page.evaluate("delete navigator.clipboard.writeText")
