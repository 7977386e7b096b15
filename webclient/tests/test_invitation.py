"""The link by which somebody calls."""

import re
from io import BytesIO

import pytest
import zxingcpp
from PIL import Image
from playwright.async_api import expect

from webclient.tests.browsers import Visit
from webclient.tests.conftest import Meet, Site
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


async def test_invited_choose_a_name_of_their_own(memory_site: Site, visit: Visit, meet: Meet) -> None:
    alice, bob = await meet("alice", memory_site.here), await visit("bob", memory_site.here)
    await bob.opens(f"/demo/?call={alice.id}")
    name = bob.page.get_by_label("Your name")
    await name.fill(alice.id)
    await bob.clicks("Continue")
    await expect(name).to_have_accessible_description(re.compile("That is the name of who invites you"))

    await name.fill(bob.id)
    await bob.clicks("Continue")
    # Alice is where she was.
    await alice.rings(bob)
    await alice.clicks("Decline")
    await bob.is_told(f"{alice.id} declined the call.")
    # By another name nobody is called any more.
    await bob.clicks("Use another name")
    await expect(name).to_be_visible()
    await bob.sees_no_more("invites you")


@pytest.mark.parametrize("peer_id", ["", "%3Cb%3Ealice", "a" * 65])
async def test_link_that_was_damaged_invites_nobody(memory_site: Site, visit: Visit, peer_id: str) -> None:
    bob = await (await visit("bob", memory_site.here)).opens(f"/demo/?call={peer_id}")
    await bob.sees("This link names nobody who can be called.")
    await bob.sees_no_more("invites you")
    await bob.page.get_by_label("Your name").fill(bob.id)
    await bob.clicks("Continue")
    await bob.is_online()
    await expect(bob.page.locator("#notice-text")).to_be_empty()
