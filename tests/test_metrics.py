"""`/metrics` says what happened."""

import asyncio
import secrets
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from pytest_django import Settings
from websockets.exceptions import InvalidStatus

from signaling import operations
from signaling.cluster import node
from signaling.telemetry.snapshot import Overview
from signaling.tests.stage import use_redis
from tests.conftest import SHARED, Join, Start
from tests.support.client import Client
from tests.support.people import CANDIDATE, Person, frame, new_call_id
from tests.support.scrape import TOKEN, Counting, figures, scraped
from tests.support.servers import RunningServer, eventually, server
from tests.support.services import NotInstalledError, executable, skip_or_fail

LIMIT = 4
ENV = SHARED | {
    "METRICS_TOKEN": TOKEN,
    "TRUSTED_PROXIES": "127.0.0.0/8",
    "CLIENT_ADDRESS_HEADER": "x-real-ip",
    "LIMIT_CONNECTIONS_PER_IP": str(LIMIT),
}

Meet = Callable[..., Awaitable[Person]]


@pytest.fixture(scope="module", params=["ours-memory", "uvicorn-redis"])
def running(request: pytest.FixtureRequest, redis_database: Callable[[], str]) -> Iterator[RunningServer]:
    kind, registry = request.param.split("-")
    with server(kind, env=ENV | ({"REDIS_URL": redis_database()} if registry == "redis" else {})) as started:
        yield started


@pytest.fixture
def counting(running: RunningServer) -> Counting:
    """Count from here on, once the clients of the last test have gone."""
    eventually(
        lambda: figures(running)["securecall_connections"] == 0 or None, lambda: "connections do not end", seconds=5
    )
    return Counting(running)


@pytest.fixture
def meet(running: RunningServer, join: Join) -> Meet:
    """Connects people, each from an address of its own."""

    async def connect(name: str, **options: Any) -> Person:
        address = f"203.0.113.{secrets.randbelow(250) + 1}"
        return await join(name, running, **{"additional_headers": {"X-Real-IP": address}} | options)

    return connect


# --- Who may read it ----------------------------------------------------------------------------------


@pytest.mark.parametrize("authorization", [None, "", TOKEN, "Bearer", "Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN}x"])
def test_metrics_without_the_token_do_not_exist(running: RunningServer, authorization: str | None) -> None:
    headers = {"X-Forwarded-Proto": "https"} | ({} if authorization is None else {"Authorization": authorization})
    absent, text = running.get("/no-such-page", headers)
    assert running.get("/metrics", headers) == (absent, text)
    assert absent == 404


def test_metrics_of_a_server_without_a_token_do_not_exist(start: Start) -> None:
    for authorization in ("Bearer", "Bearer ", f"Bearer {TOKEN}"):
        assert start("ours", "memory", 0).get("/metrics", {"Authorization": authorization})[0] == 404


def test_metrics_are_served_over_plain_http_to_any_name(running: RunningServer) -> None:
    assert "securecall_build_info" in scraped(running, Host="10.0.0.7:8000", **{"X-Forwarded-Proto": "http"})


# --- How it is written --------------------------------------------------------------------------------


def test_metrics_pass_prometheus_own_check(running: RunningServer) -> None:
    try:
        promtool = executable("promtool", "prometheus")
    except NotInstalledError as missing:
        skip_or_fail(missing)
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=scraped(running), capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_metrics_are_openmetrics_for_who_asks(running: RunningServer) -> None:
    accept = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.3"
    text = scraped(running, Accept=accept)
    families = {family.name for family in openmetrics_families(text)}  # type: ignore[no-untyped-call]
    assert {"securecall_messages_received", "securecall_hop_seconds", "process_cpu_seconds", "python_info"} <= families


@pytest.mark.parametrize("accept", ["*/*", "text/plain; version=x", "image/png"])
def test_metrics_are_text_for_everybody_else(running: RunningServer, accept: str) -> None:
    assert "# EOF" not in scraped(running, Accept=accept)


# --- What it says -------------------------------------------------------------------------------------


async def test_call_is_counted_from_beginning_to_end(counting: Counting, running: RunningServer, meet: Meet) -> None:
    alice, bob = await meet("alice"), await meet("bob")
    call_id = await alice.talks_to(bob)
    for _ in range(3):
        await alice.reaches(bob, call_id)
    await alice.rings(bob)
    now = await asyncio.to_thread(figures, running)
    assert now["securecall_connections"] == now["securecall_registered_clients"] == now["securecall_groups"] == 2
    assert now["securecall_tasks"] > 2
    assert now['securecall_calls{state="active"}'] == now['securecall_calls{state="ringing"}'] == 1
    await bob.send("CALL_END", callId=call_id)
    await alice.expects("CALL_ENDED")
    await counting.shows(
        {
            "securecall_registrations_total": 2,
            "securecall_calls_opened_total": 2,
            "securecall_calls_answered_total": 1,
            'securecall_calls_ended_total{reason="client"}': 1,
            'securecall_messages_received_total{type="CALL_INITIATE"}': 2,
            'securecall_messages_received_total{type="ICE_CANDIDATE"}': 3,
            'securecall_messages_sent_total{type="REGISTERED"}': 2,
            'securecall_messages_sent_total{type="INCOMING_CALL"}': 2,
            'securecall_messages_sent_total{type="CALL_ACCEPTED"}': 1,
            'securecall_messages_sent_total{type="ICE_CANDIDATE"}': 3,
            'securecall_messages_sent_total{type="CALL_ENDED"}': 1,
            # Two for registering, two for offers, one for the answer.
            "securecall_turn_credentials_minted_total": 5,
            "securecall_hop_seconds_count": 7,
            'securecall_hop_seconds_bucket{le="+Inf"}': 7,
        }
    )


async def test_calls_that_come_to_nothing_are_counted(counting: Counting, meet: Meet) -> None:
    alice, bob = await meet("alice"), await meet("bob")
    rejected = await alice.rings(bob)
    await bob.send("CALL_REJECT", callId=rejected)
    await alice.expects("CALL_REJECTED")
    await alice.rings(bob)
    await bob.close()
    await alice.expects("CALL_ENDED", reason="peer_disconnected")
    await alice.send("CALL_INITIATE", targetId=bob.id, sdpOffer="v=0")
    await alice.expects_error("TARGET_NOT_FOUND", "CALL_INITIATE")
    await counting.shows(
        {
            "securecall_calls_opened_total": 2,
            "securecall_calls_rejected_total": 1,
            'securecall_calls_ended_total{reason="peer_disconnected"}': 1,
            'securecall_errors_sent_total{code="TARGET_NOT_FOUND"}': 1,
            'securecall_messages_sent_total{type="ERROR"}': 1,
        }
    )


async def test_errors_are_counted_by_code(counting: Counting, meet: Meet) -> None:
    alice = await meet("alice", registered=False)
    await alice.send("CALL_END", callId=new_call_id())
    await alice.send_raw("not JSON")
    await alice.send_raw(b"\x00")
    await alice.send_raw(frame("NO_SUCH_TYPE"))
    await alice.send_raw("x" * 70_000)
    await alice.send("REGISTER", clientId="not an ID")
    for _ in range(6):
        await alice.expects("ERROR")
    await alice.registers()
    await alice.send("ICE_CANDIDATE", callId=new_call_id(), candidate=CANDIDATE)
    await alice.expects("ERROR")
    await counting.shows(
        {
            'securecall_errors_sent_total{code="NOT_REGISTERED"}': 1,
            'securecall_errors_sent_total{code="INVALID_MESSAGE"}': 5,
            'securecall_errors_sent_total{code="CALL_NOT_FOUND"}': 1,
            'securecall_messages_sent_total{type="ERROR"}': 7,
            'securecall_messages_received_total{type="invalid"}': 4,
            'securecall_messages_received_total{type="REGISTER"}': 2,
            'securecall_messages_received_total{type="CALL_END"}': 1,
            "securecall_requests_unavailable_total": 0,
        }
    )


async def test_keys_and_credentials_are_counted(counting: Counting, meet: Meet) -> None:
    alice = await meet("alice")
    for key in ("first", "first", "second"):
        await alice.send("PKD_REGISTER", clientId=alice.id, publicKey=key)
        await alice.expects("PKD_RESULT", publicKey=key)
    for client_id in (alice.id, "nobody"):
        await alice.send("PKD_LOOKUP", clientId=client_id)
        await alice.expects("PKD_RESULT")
    await alice.send("TURN_CREDENTIALS")
    await alice.expects("TURN_CREDENTIALS")
    await counting.shows(
        {
            'securecall_key_publications_total{outcome="published"}': 1,
            'securecall_key_publications_total{outcome="unchanged"}': 1,
            'securecall_key_publications_total{outcome="changed"}': 1,
            'securecall_key_lookups_total{outcome="found"}': 1,
            'securecall_key_lookups_total{outcome="missing"}': 1,
            "securecall_turn_credentials_minted_total": 2,
        }
    )


async def test_connections_are_counted_by_how_they_end(counting: Counting, meet: Meet) -> None:
    first, lost, clean = await meet("first"), await meet("lost"), await meet("clean")
    await meet("second", client_id=first.id)
    await first.expects_close(4409)
    lost.drop()
    await clean.close()
    odd = await meet("odd", registered=False)
    await odd.close(4321)
    await counting.shows(
        {
            "securecall_connections_opened_total": 5,
            'securecall_connections_closed_total{code="4409",reason="superseded"}': 1,
            'securecall_connections_closed_total{code="1006",reason="connection lost"}': 1,
            'securecall_connections_closed_total{code="1000",reason="normal closure"}': 1,
            'securecall_connections_closed_total{code="other",reason=""}': 1,
            "securecall_connections": 1,
        }
    )


async def test_refused_connections_are_counted_by_reason(
    counting: Counting, running: RunningServer, meet: Meet
) -> None:
    for url, origin in ((running.ws_url, "https://elsewhere.example.com"), (f"{running.ws_url}ing", None)):
        with pytest.raises(InvalidStatus):
            await Client(url, origin=origin).__aenter__()
    header = {"additional_headers": {"X-Real-IP": "203.0.113.255"}}
    for number in range(LIMIT):
        await meet(f"guest-{number}", **header)
    late = await meet("late", registered=False, **header)
    await late.expects_error("RATE_LIMITED")
    await late.expects_close(4429, "too many connections")
    await counting.shows(
        {
            'securecall_connections_refused_total{reason="origin"}': 1,
            'securecall_connections_refused_total{reason="path"}': 1,
            'securecall_connections_refused_total{reason="address_limit"}': 1,
            'securecall_connections_closed_total{code="4429",reason="too many connections"}': 1,
            'securecall_errors_sent_total{code="RATE_LIMITED"}': 1,
        }
    )


async def test_what_waits_for_a_client_is_counted(running: RunningServer, counting: Counting, meet: Meet) -> None:
    alice, bob = await meet("alice"), await meet("bob")
    call_id = await alice.talks_to(bob)
    bob.drop()
    await counting.shows({'securecall_connections_closed_total{code="1006",reason="connection lost"}': 1})
    # What bob was not proved to have read is counted already.
    counting = Counting(running)
    for _ in range(5):
        await alice.send("ICE_CANDIDATE", callId=call_id, candidate=CANDIDATE)
    await alice.expects_nothing_else()
    again = await meet("bob", client_id=bob.id)
    for _ in range(5):
        await again.expects("ICE_CANDIDATE")
    await counting.shows({"securecall_messages_held_total": 5})


async def test_metrics_name_nobody(running: RunningServer, meet: Meet) -> None:
    alice, bob = await meet("alice"), await meet("bob")
    call_id = await alice.talks_to(bob)
    await alice.send("PKD_REGISTER", clientId=alice.id, publicKey="a key of alice")
    await alice.expects("PKD_RESULT")
    text = scraped(running)
    for secret in (alice.id, bob.id, call_id, "203.0.113", "127.0.0.1", "a key of alice", TOKEN):
        assert secret not in text


# --- Several processes --------------------------------------------------------------------------------


async def test_snapshots_of_processes_add_up_until_one_stops(
    redis_database: Callable[[], str], settings: Settings, join: Join
) -> None:
    url = redis_database()
    use_redis(settings, url, "securecall")
    own = await node.current()
    try:
        with server(env=ENV | {"REDIS_URL": url}) as other:
            await (await join("alice", other)).close()
            overview = await until_processes(2)
            assert overview.processes[0].process == own.layer.process
            assert overview.processes[1].redis_is_up is True
            assert overview.total.connections == sum(one.connections for one in overview.processes)
            await asyncio.to_thread(other.stop)
        assert [one.process for one in (await operations.snapshots()).processes] == [own.layer.process]
    finally:
        await node.stop()


async def until_processes(number: int) -> Overview:
    async with asyncio.timeout(5):
        while len((overview := await operations.snapshots()).processes) < number:
            await asyncio.sleep(0.02)
    return overview
