"""Times and lengths that come from outside: no server, clock or option makes a timer run wild."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from webclient.tests.library.conftest import LONG_IN_FIREFOX, OpenAnyClient, OpenClient
from webclient.tests.library.liar import Liar

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONGEST_MS = 2**31 - 1
DAY_SECONDS = 86_400
# The library's own bound.
ASK_EVERY_SECONDS = 5
HEARTBEATS = 15
# What carries credentials.
CARRIERS = ("REGISTERED", "INCOMING_CALL", "CALL_ACCEPTED", "TURN_CREDENTIALS")

# What has fired when a timer of 50 ms has.
FIRED = """
async ([workerUrl, longMs]) => {
  const { Timers } = await import("/static/webclient/securecall/timers.js");
  const timers = new Timers(workerUrl);
  const fired = [];
  timers.after(longMs, () => fired.push("long"));
  await new Promise((resolve) => timers.after(50, resolve));
  timers.stop();
  return fired;
}
"""
WORKER = "/static/webclient/timer-worker.js"
NOT_A_URL = "http://["


async def test_timer_beyond_31_bits_does_not_fire_at_once(open_any_client: OpenAnyClient) -> None:
    alice = await open_any_client("alice", connected=False)
    for worker_url in (WORKER, NOT_A_URL):
        for long_ms in (LONGEST_MS, LONGEST_MS + 1, 2**32, 2**32 + 1, 2**53):
            assert await alice.does(FIRED, [worker_url, long_ms]) == [], (worker_url, long_ms)
        assert await alice.does(FIRED, [worker_url, 0]) == ["long"]


async def test_timer_beyond_31_bits_fires_when_it_is_due(open_client: OpenClient) -> None:
    alice = await open_client("alice", connected=False, alters_page=True)
    await alice.page.clock.install()
    await alice.does(
        """async ([workerUrl, longMs]) => {
      const { Timers } = await import("/static/webclient/securecall/timers.js");
      window.fired = 0;
      const timers = new Timers(workerUrl);
      timers.after(longMs, () => { fired += 1; });
    }""",
        [NOT_A_URL, 2 * LONGEST_MS + 60_000],
    )
    for forward_ms, fired in ((LONGEST_MS, 0), (LONGEST_MS, 0), (59_000, 0), (2_000, 1), (2 * LONGEST_MS, 1)):
        await alice.page.clock.run_for(forward_ms)
        assert await alice.does("fired") == fired


async def test_worker_takes_no_longer_delay_than_browsers_do(open_any_client: OpenAnyClient) -> None:
    alice = await open_any_client("alice", connected=False)
    first = """([url, longMs]) => new Promise((resolve) => {
      const worker = new Worker(url);
      worker.onmessage = ({ data }) => { worker.terminate(); resolve(data); };
      worker.postMessage({ id: 1, delayMs: longMs });
      worker.postMessage({ id: 2, delayMs: 50 });
    })"""
    assert await alice.does(first, [WORKER, LONGEST_MS + 1]) == 2


# When credentials expire, as the server says it.
EXPIRES: dict[str, Callable[[int], str]] = {
    "in 30 days": lambda now: str(now + 30 * DAY_SECONDS),
    "in 31 years": lambda now: str(now + 10**9),
    "never": lambda _: "9" * 400,
    "at once": lambda now: str(now + 1),
    "yesterday": lambda now: str(now - DAY_SECONDS),
    "in 1970": lambda _: "0",
    "soon": lambda _: "soon",
    "unsaid": lambda _: "",
}


def of_each_kind(*values: str, others: Iterable[str]) -> pytest.MarkDecorator:
    """Leave the `others`, which are of the same kinds, to `make long`: each value costs a call."""
    rest = [value for value in others if value not in values]
    params = [pytest.param(values, id="each kind"), pytest.param(rest, id="others", marks=pytest.mark.long)]
    return pytest.mark.parametrize("values", params)


# A time that a timer cannot hold, one that no number can, one that has come, one that is over, none at all.
@of_each_kind("in 30 days", "never", "at once", "yesterday", "soon", others=EXPIRES)
@LONG_IN_FIREFOX
async def test_credentials_are_not_asked_for_again_and_again(
    open_any_client: OpenAnyClient, liar: Liar, values: Iterable[str]
) -> None:
    expires = "unsaid"

    def lie(payload: dict[str, Any]) -> dict[str, Any]:
        # Where nobody answers, as the relay would not take such a name.
        relay = {"urls": f"turn:127.0.0.1:{liar.port}?transport=udp", "credential": "secret"}
        return payload | {"iceServers": [relay | {"username": f"{EXPIRES[expires](int(time.time()))}:alice"}]}

    for message_type in CARRIERS:
        liar.lies(message_type, lie)
    alice, bob = await open_any_client("alice", liar.port), await open_any_client("bob", liar.port)
    for expires in values:
        before, began = len(liar.heard("TURN_CREDENTIALS")), time.monotonic()
        call_id = await alice.talks_to(bob)
        await alice.asks_often()
        await bob.asks_often()
        # At the beginning, each, and again if this took so long.
        asked = len(liar.heard("TURN_CREDENTIALS")) - before
        assert asked <= 2 * (1 + (time.monotonic() - began) // ASK_EVERY_SECONDS), expires
        await alice.does("client.hangUp()")
        await bob.expects("call", state="ended", callId=call_id)


@LONG_IN_FIREFOX
async def test_refused_message_waits_whatever_the_server_says(open_any_client: OpenAnyClient, liar: Liar) -> None:
    alice = await open_any_client("alice", liar.port)
    waits: list[Any] = [0, -5, "soon", None]
    refusals = [{"retryAfterMs": wait} for wait in waits]
    liar.refuses("PKD_LOOKUP", *({"code": "RATE_LIMITED", **refusal} for refusal in [*refusals, {}]))
    before = len(liar.heard("PKD_LOOKUP"))
    await alice.does(f"client.lookUpPeerKey('{alice.id}')")
    gaps = liar.gaps("PKD_LOOKUP")[before:]
    assert len(gaps) == 5
    assert min(gaps) > 0.95


NO_INTERVALS = ("NaN", "2 ** 31", "Infinity", "'often'", "null")


@of_each_kind("NaN", "2 ** 31", "'often'", others=NO_INTERVALS)
@LONG_IN_FIREFOX
async def test_interval_that_is_none_is_not_at_once(
    open_any_client: OpenAnyClient, liar: Liar, values: Iterable[str]
) -> None:
    alice, bob = await open_any_client("alice", liar.port, connected=False), await open_any_client("bob", liar.port)
    for interval in values:
        await alice.does(f"""() => {{
          window.told = 0;
          const heartbeatIntervalMs = {interval}, pathIntervalMs = {interval};
          window.client = new SecureCall("/signal", {{ clientId: "{alice.id}", heartbeatIntervalMs, pathIntervalMs }});
          client.addEventListener("path", () => {{ told += 1; }});
        }}""")
        await alice.does("client.connect()")
        call = "media({audio: true}).then((stream) => client.call('%s', stream))"
        call_id = await alice.does(call % bob.id)
        await bob.expects("call", state="incoming", callId=call_id)
        await bob.accepts()
        await bob.expects("call", state="connected", callId=call_id)
        await alice.until("client.currentCall.state === 'connected'")
        # Until then each asks every 2 s.
        heard = len(liar.heard("HEARTBEAT"))
        await alice.asks_often()
        assert len(liar.heard("HEARTBEAT")) - heard <= 2, interval
        assert await alice.does("told") <= 2, interval
        await alice.does("client.disconnect()")
        await bob.expects("call", state="ended", callId=call_id)


@LONG_IN_FIREFOX
async def test_interval_that_is_too_short_is_bounded(open_any_client: OpenAnyClient, liar: Liar) -> None:
    alice = await open_any_client("alice", liar.port, connected=False)
    for interval in ("0", "-1", "0.001"):
        options = f"{{ clientId: '{alice.id}', heartbeatIntervalMs: {interval} }}"
        before, began = len(liar.heard("HEARTBEAT")), time.monotonic()
        await alice.does(f"() => {{ window.client = new SecureCall('/signal', {options}); return client.connect(); }}")
        await liar.hears("HEARTBEAT", before + HEARTBEATS)
        # A busy machine hears several at once, but none before it was sent.
        assert time.monotonic() - began > 0.08 * (HEARTBEATS - 1), interval
        await alice.does("client.disconnect()")
