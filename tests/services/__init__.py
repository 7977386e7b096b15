"""Real services for tests and benchmarks: Redis, Postgres and coturn, each on free loopback ports."""

from tests.services.coturn import Coturn, coturn
from tests.services.postgres import PostgresServer, postgres_server
from tests.services.process import NotInstalledError, executable, skip_or_fail
from tests.services.redis import RedisServer, redis_server

__all__ = [
    "Coturn",
    "NotInstalledError",
    "PostgresServer",
    "RedisServer",
    "coturn",
    "executable",
    "postgres_server",
    "redis_server",
    "skip_or_fail",
]
