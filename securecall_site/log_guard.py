"""The guard of the public log as a command reads it, on a connection like the server's."""

from django.conf import settings

from securecall_site.examined import connect_as_the_server
from signaling.registry.log_guard import RedisStore
from transparency.guard import FileStore, Tree


async def read(vkey: str) -> Tree | None:
    """Return the largest tree of a log that was signed; raises `OSError` or `RefusedError`."""
    if not settings.REDIS_URL:
        return await FileStore(settings.LOG_GUARD).read(vkey)
    async with connect_as_the_server() as redis:
        return await RedisStore(redis.ask, settings.REDIS_PREFIX).read(vkey)
