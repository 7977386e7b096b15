"""Real services for tests and benchmarks: Redis, Postgres and coturn, on free loopback ports; and a clock to set."""

from tests.support.services.coturn import Coturn, coturn
from tests.support.services.faketime import WallClock
from tests.support.services.postgres import AS_IT_COMES, PostgresServer, new_database, postgres_server
from tests.support.services.process import NotInstalledError, executable, skip_or_fail
from tests.support.services.redis import RedisServer, redis_server

__all__ = [
    "AS_IT_COMES",
    "Coturn",
    "NotInstalledError",
    "PostgresServer",
    "RedisServer",
    "WallClock",
    "coturn",
    "executable",
    "new_database",
    "postgres_server",
    "redis_server",
    "skip_or_fail",
]
