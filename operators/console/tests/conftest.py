"""Operators of every kind, in the same event loop as the clients that they look at."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Permission, User
from django.test import AsyncClient
from pytest_django import Settings

from signaling.cluster import node
from signaling.cluster.node import Node
from signaling.tests.people import Person, leaving
from signaling.tests.stage import new_prefix, use_redis

VIEWING = ("view_presence", "view_call", "view_publicrecord")
OPERATING = (*VIEWING, "disconnect_client", "end_call")

Join = Callable[..., Awaitable[Person]]
SignIn = Callable[..., Awaitable[AsyncClient]]


@pytest.fixture(params=["memory", "redis"])
async def here(request: pytest.FixtureRequest, settings: Settings) -> AsyncIterator[Node]:
    """The node of a server that is one process, and of one of several."""
    if request.param == "redis":
        use_redis(settings, request.getfixturevalue("redis_url"), new_prefix())
    yield await node.current()
    await node.stop()


@pytest.fixture
async def join() -> AsyncIterator[Join]:
    """Connects people; they leave at the end of the test."""
    async with leaving() as connect:
        yield connect


@pytest.fixture
def sign_in(transactional_db: None) -> SignIn:  # noqa: ARG001  # threads of the server use the database
    """Opens a browser as somebody on the staff with these permissions."""

    def make(permissions: tuple[str, ...]) -> User:
        user = User.objects.create_user("olga", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        return user

    async def browser(*permissions: str) -> AsyncClient:
        client = AsyncClient()
        await client.aforce_login(await sync_to_async(make)(permissions))
        return client

    return browser
