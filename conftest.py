"""Share with every test an environment of its own, and the services that tests start."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import django
import pytest
from django.apps import apps
from django.contrib.contenttypes.management import create_contenttypes
from django.db import connection
from django.db.models.signals import post_migrate
from django.test import override_settings
from hypothesis import settings as hypothesis_settings
from pytest_django import DjangoDbBlocker

from tests.support.scheduling import GROUPS, ByFile, says_database, uses_database
from tests.support.services import (
    Coturn,
    NotInstalledError,
    PostgresServer,
    RedisServer,
    coturn,
    postgres_server,
    redis_server,
    skip_or_fail,
)

pytest_plugins = ("webclient.tests.browsers",)

T = TypeVar("T")

# On a busy machine an example may take any time; the tests' own timeout ends what hangs.
hypothesis_settings.register_profile("any machine", deadline=None)
hypothesis_settings.load_profile("any machine")

# What securecall_site/settings.py reads. The caller's values must not reach the tests.
SETTINGS = (
    "ADMIN_",
    "ALLOWED_",
    "CLIENT_ADDRESS_HEADER",
    "DATABASE_",
    "DEBUG",
    "DEMO",
    "DIRECTORY_",
    "DJANGO_",
    "DRAIN_SECONDS",
    "HEARTBEAT_",
    "HOLD_",
    "LIMIT_",
    "LOG_",
    "METRICS_",
    "MIGRATE_",
    "PORT",
    "RAILWAY_",
    "REDIS_URL",
    "REGISTRATION_",
    "RELEASE_",
    "REPLICAS",
    "REQUIRE_",
    "RING_",
    "SECRET_KEY",
    "SIGN_IN_",
    "STUN_",
    "TRUSTED_PROXIES",
    "TURN_",
    "VETO_",
)
for name in [name for name in os.environ if name.startswith(SETTINGS)]:
    del os.environ[name]
os.environ |= {"DJANGO_SETTINGS_MODULE": "securecall_site.settings", "DEBUG": "1"}
# A run on Postgres says so with a name of its own, so that a DATABASE_URL never meets the tests by accident.
ON_POSTGRES = "TEST_DATABASE_URL" in os.environ
if ON_POSTGRES:
    os.environ["DATABASE_URL"] = os.environ["TEST_DATABASE_URL"]

# Settings are read when the first test module is imported; a name in pyproject.toml would read them before this file.
django.setup()

from django.contrib.auth.models import Permission  # noqa: E402  # models are there from now on
from django.contrib.contenttypes.models import ContentType  # noqa: E402

# A terminated run ends like an interrupted one, which ends its services.
signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--long`."""
    parser.addoption("--long", action="store_true", help="run the tests that are marked as long, and no others")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """On Postgres, read no file without tests of the database: that took longer than some of the tests do."""
    is_test = collection_path.match("test_*.py")
    return True if ON_POSTGRES and is_test and not says_database(collection_path) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Groups first; long tests alone or none; on Postgres only the tests that use Django's database."""
    for files in reversed(GROUPS.values()):
        items.sort(key=lambda item: not item.nodeid.startswith(files))
    is_long_run = config.getoption("long")
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        is_long = item.get_closest_marker("long") is not None
        is_kept = is_long == is_long_run and (not ON_POSTGRES or uses_database(item))
        (kept if is_kept else left_out).append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """Deal out tests by file; groups, which take longest, first."""
    return ByFile(config, log)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    tmp_path_factory: pytest.TempPathFactory,
    django_db_modify_db_settings_parallel_suffix: None,  # noqa: ARG001  # a name of its own for each process
) -> None:
    """Keep SQLite's test database in a file; in memory, Django's default, threads lock each other out at once."""
    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "db.sqlite3")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:  # noqa: ARG001  # pytest-django's
    """Put content types and permissions back as they were when a test with real transactions has flushed them.

    Django would look for what is missing, app by app, which takes longer than most of these tests.
    """
    with django_db_blocker.unblock():
        content_types, permissions = list(ContentType.objects.all()), list(Permission.objects.all())

    def put_back(using: str, **_: object) -> None:
        ContentType.objects.using(using).bulk_create(content_types, ignore_conflicts=True)
        Permission.objects.using(using).bulk_create(permissions, ignore_conflicts=True)

    post_migrate.disconnect(create_contenttypes)
    post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")
    # Once a flush: Django sends it for each app.
    post_migrate.connect(put_back, sender=apps.get_app_config("auth"), weak=False)


@pytest.fixture
def migrated_groups(db: None) -> None:  # noqa: ARG001  # pytest's way to ask for the database
    """The operators' groups as the migrations made them, which a test with real transactions takes away."""
    names = (
        "pkd.migrations.0003_groups",
        "pkd.migrations.0007_who_releases",
        "bans.migrations.0002_groups",
        "operators.console.migrations.0002_groups",
        "operators.console.migrations.0004_who_sees_the_record",
    )
    for name in names:
        for operation in import_module(name).Migration.operations:
            operation.code(apps, connection.schema_editor())


@pytest.fixture(scope="session", autouse=True)
def _static_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Serve static files from somewhere that exists; a fresh clone has collected none, and whitenoise warns of it."""
    with override_settings(STATIC_ROOT=tmp_path_factory.mktemp("static")):
        yield


@pytest.fixture
async def tasks_left() -> Callable[[], set[str]]:
    """Name the tasks, besides the test, that did not run when the test began."""
    before = asyncio.all_tasks()

    def left() -> set[str]:
        return {str(task.get_coro()) for task in asyncio.all_tasks() - before - {asyncio.current_task()}}

    return left


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisServer]:
    """One Redis for all tests that leave it running."""
    yield from _run(redis_server())


@pytest.fixture(scope="session")
def redis_url(shared_redis: RedisServer) -> str:
    """The address of a Redis that all tests share."""
    return shared_redis.url


@pytest.fixture(scope="session")
def redis_database(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Makes the URL of an empty database of the shared Redis."""
    numbers = count(1)

    def url() -> str:
        shared: RedisServer = request.getfixturevalue("shared_redis")
        return f"redis://127.0.0.1:{shared.port}/{next(numbers)}"

    return url


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A Redis of the test's own, to stop and start again."""
    yield from _run(redis_server())


@pytest.fixture(scope="session")
def shared_postgres() -> Iterator[PostgresServer]:
    """Start one Postgres for all tests; a test that stops it starts it again."""
    yield from _run(postgres_server())


@pytest.fixture(scope="session")
def postgres_url(shared_postgres: PostgresServer) -> str:
    """The address of a Postgres that all tests share."""
    return shared_postgres.url


@pytest.fixture(scope="session")
def coturn_server() -> Iterator[Coturn]:
    """A coturn that knows two secrets, as during a rotation: the first is the older one."""
    yield from _run(coturn(secrets=["older-secret-of-the-test-relay", "newer-secret-of-the-test-relay"]))


def _run(service: AbstractContextManager[T]) -> Iterator[T]:
    with ExitStack() as stack:
        try:
            running = stack.enter_context(service)
        except NotInstalledError as error:
            missing = error
        else:
            yield running
            return
    # Outside the handler, whose error would be shown as well.
    skip_or_fail(missing)
