"""The public log's guard in Redis: of two processes the larger tree is kept."""

from signaling.registry.log_guard import RedisStore
from signaling.tests.stage import RedisProcess
from transparency.guard import Tree


async def test_redis_keeps_the_largest_tree_of_each_log(process: RedisProcess, other: RedisProcess) -> None:
    here, there = (RedisStore(each.link.call, each.layer.prefix) for each in (process, other))
    assert await here.read("one") is None
    for store, size in ((here, 0), (there, 10), (here, 9), (there, 2)):
        await store.keep("one", Tree(size, bytes([size]) * 32))
    await here.keep("other", Tree(7, bytes(32)))
    assert (await here.read("one"), await there.read("other")) == (Tree(10, b"\n" * 32), Tree(7, bytes(32)))
