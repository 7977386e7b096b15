"""Who knows only the reference sees what it always saw, byte for byte, on a server whose directory has owners."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone
from pytest_django import Settings

from pkd.models import Identity, PublicKey
from pkd.tests.test_append_only_statements import erase_all
from signaling.cluster.node import Node
from signaling.tests.recording import RECORDED, play

pytestmark = pytest.mark.django_db(transaction=True)


def own(client_ids: list[str]) -> None:
    now = timezone.now()
    made = PublicKey.objects.bulk_create(
        PublicKey(client_id=client_id, public_key="", fingerprint="", first_seen=now, last_change=now)
        for client_id in client_ids
    )
    Identity.objects.bulk_create(
        Identity(key=key, identity="identity", seq=0, last_kind=1, owned_since=now, changed_at=now) for key in made
    )


@pytest.fixture(params=["", "calls.example.org"], ids=["without owners", "with 1,000 owners"])
async def directory(
    request: pytest.FixtureRequest,
    transactional_db: None,  # noqa: ARG001
    settings: Settings,
) -> AsyncIterator[None]:
    settings.LIMITS = replace(settings.LIMITS, message_burst=0, pkd_registers_per_minute=0, pkd_lookups_per_minute=0)
    settings.DIRECTORY_NAME = request.param
    if request.param:
        await sync_to_async(own)([f"owned-{number}" for number in range(1000)])
    yield
    await sync_to_async(erase_all)()


async def test_frames_of_the_reference_are_answered_as_they_were_before(directory: None, here: Node) -> None:  # noqa: ARG001
    recorded = json.loads(RECORDED.read_text())
    assert len(recorded) > 300
    played = await play()
    for before, now in zip(recorded, played, strict=False):
        assert now == before
    assert len(played) == len(recorded)
