import asyncio
from typing import Any

import pytest
from pytest_django import Settings

from securecall_site.http_admission import Admission, RefusedError, Scope, refuse

TOKEN = "a-token-that-is-long-enough-to-be-one"


class Clock:
    """Says the time that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def request(path: str = "/admin/", address: str = "203.0.113.9", **headers: str) -> Scope:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "path": path, "client": (address, 50_000), "headers": named}


async def is_admitted(admission: Admission, scope: Scope) -> bool:
    try:
        async with admission.admitted(scope):
            return True
    except RefusedError as error:
        if error.status != 429:
            raise
        return False


async def counts(admission: Admission, scope: Scope, tries: int) -> int:
    return sum([await is_admitted(admission, scope) for _ in range(tries)])


async def test_requests_of_an_address_are_limited() -> None:
    admission = Admission(600, 8, clock=Clock())
    assert await counts(admission, request(), 700) == 600
    assert await counts(admission, request(address="203.0.113.10"), 700) == 600
    # Of IPv6 the /64 counts.
    assert await counts(admission, request(address="2001:db8:1:1::1"), 400) == 400
    assert await counts(admission, request(address="2001:db8:1:1:ffff::1"), 400) == 200
    assert await counts(admission, request(address="2001:db8:1:2::1"), 400) == 400


async def test_files_of_pages_are_limited_by_themselves_ten_times_as_high() -> None:
    admission = Admission(60, 8, clock=Clock())
    assert await counts(admission, request("/static/webclient/securecall.js"), 700) == 600
    assert await counts(admission, request(), 70) == 60
    assert await counts(Admission(0, 8), request("/static/webclient/securecall.js"), 2000) == 2000


async def test_limit_of_0_is_none() -> None:
    assert await counts(Admission(0, 8), request(), 2000) == 2000


async def test_refusal_says_when_there_is_room_again() -> None:
    clock = Clock()
    admission = Admission(2, 8, clock=clock)
    for now in (1000.0, 1020.5):
        clock.now = now
        assert await is_admitted(admission, request())
    with pytest.raises(RefusedError) as refused:
        async with admission.admitted(request()):
            pass
    assert refused.value.retry_after == 40
    clock.now += refused.value.retry_after
    assert await counts(admission, request(), 3) == 1


@pytest.mark.parametrize("path", ["/health", "/log/checkpoint", "/log/tile/0/000"])
async def test_path_that_is_exempt_counts_nothing(path: str) -> None:
    admission = Admission(3, 8)
    assert await counts(admission, request(path), 10) == 10
    assert await counts(admission, request(), 10) == 3


async def test_metrics_are_exempt_with_their_token_alone(settings: Settings) -> None:
    settings.METRICS_TOKEN = TOKEN
    admission = Admission(3, 8)
    assert await counts(admission, request("/metrics", authorization=f"Bearer {TOKEN}"), 10) == 10
    assert await counts(admission, request("/metrics", authorization="Bearer another"), 2) == 2
    assert await counts(admission, request("/metrics"), 2) == 1


@pytest.mark.parametrize("path", ["/health/", "/healthy", "/log", "/metrics/", "/static", "/"])
async def test_other_paths_count(path: str) -> None:
    assert await counts(Admission(3, 8), request(path), 5) == 3


async def test_as_many_requests_run_as_there_are_connections() -> None:
    admission = Admission(0, 4)
    most = running = 0

    async def ask() -> None:
        nonlocal most, running
        async with admission.admitted(request()):
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1

    await asyncio.gather(*(ask() for _ in range(50)))
    assert most == 3


async def test_request_that_is_cancelled_gives_its_place_back() -> None:
    admission, busy, go_on = Admission(0, 2), asyncio.Event(), asyncio.Event()

    async def ask() -> None:
        async with admission.admitted(request()):
            busy.set()
            await go_on.wait()

    running = asyncio.create_task(ask())
    await busy.wait()
    waiting = [asyncio.create_task(ask()) for _ in range(5)]
    for _ in range(3):
        await asyncio.sleep(0)
    for task in (*waiting, running):
        task.cancel()
    await asyncio.gather(running, *waiting, return_exceptions=True)
    assert await is_admitted(admission, request())


async def test_request_that_waits_too_long_is_refused_and_monitors_are_not() -> None:
    admission = Admission(0, 2, patience_seconds=0.01)
    async with admission.admitted(request()):
        with pytest.raises(RefusedError) as refused:
            async with admission.admitted(request()):
                pass
        assert refused.value.status == 503
        assert await is_admitted(admission, request("/health"))
    assert await is_admitted(admission, request())


@pytest.mark.parametrize(
    ("path", "body"), [("/api/keys/", b'{"detail":"Wait, please."}'), ("/admin/", b"Wait, please.\n")]
)
async def test_refusal_is_in_the_words_of_who_asked(path: str, body: bytes) -> None:
    sent: list[dict[str, Any]] = []

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    await refuse(RefusedError(429, "Wait, please.", 0.2), request(path), send)
    assert sent[0]["status"] == 429
    assert dict(sent[0]["headers"])[b"retry-after"] == b"1"
    assert sent[1]["body"] == body
