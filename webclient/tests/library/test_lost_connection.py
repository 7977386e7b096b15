"""Calls while the way to the server breaks."""

import pytest

from tests.support.people import OFFER, Person, new_call_id
from tests.support.servers import RunningServer
from webclient.tests.library.clients import ClientPage
from webclient.tests.library.conftest import OpenAnyClient, OpenClient
from webclient.tests.library.network import Line

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONGEST_WAITS_MS = [2_000, 4_000, 8_000, 16_000, 30_000, 30_000]

# What is sent; and a promise that is kept with the second answer to a heartbeat after a call was placed.
RECORD = """
(() => {
  window.log = [];
  const { send } = WebSocket.prototype;
  const listening = new WeakSet();
  let answers = -Infinity;
  window.isProved = new Promise((resolve) => {
    WebSocket.prototype.send = function (text) {
      const { type } = JSON.parse(text);
      log.push(type);
      if (type === "CALL_INITIATE") answers = 0;
      if (!listening.has(this)) {
        listening.add(this);
        this.addEventListener("message", ({ data }) => {
          if (JSON.parse(data).type === "HEARTBEAT_ACK" && (answers += 1) === 2) resolve();
        });
      }
      send.call(this, text);
    };
  });
})()
"""


async def rings_at(alice: ClientPage, bob: Person) -> str:
    """Let alice call a client who knows only the protocol."""
    await alice.does(f"client.call('{bob.id}')")
    call_id: str = (await bob.expects("INCOMING_CALL", callerId=alice.id))["callId"]
    return call_id


async def until(bob: Person, message_type: str, call_id: str) -> dict[str, object]:
    """Pass over candidates until this message comes."""
    while (message := await bob.next_message())["type"] == "ICE_CANDIDATE":
        continue
    assert message["type"] == message_type
    assert message["payload"]["callId"] == call_id
    return dict(message["payload"])


async def test_waits_grow_to_thirty_seconds_and_are_random(
    open_client: OpenClient, library_server: RunningServer
) -> None:
    async with Line.to(library_server.port) as line:
        alice = await open_client("alice", line.port)
        await alice.does("Math.random = () => 0.999999")
        line.cut()
        for longest in LONGEST_WAITS_MS:
            waiting = await alice.expects("signaling", state="waiting")
            assert round(waiting["retryInMs"]) == longest
            await alice.does("client.retryNow()")
        await alice.does("Math.random = () => 0")
        await alice.expects("signaling", state="waiting")
        await alice.does("client.retryNow()")
        assert (await alice.expects("signaling", state="waiting"))["retryInMs"] == 1_000
        line.mend()
        await alice.expects("signaling", state="online", attempts=0)


async def test_hang_up_made_offline_arrives(open_client: OpenClient, library_server: RunningServer) -> None:
    async with Line.to(library_server.port) as line, Person(library_server.ws_url, "offline-bob") as bob:
        await bob.registers()
        alice = await open_client("alice", line.port)
        call_id = await rings_at(alice, bob)
        line.cut()
        await alice.expects("signaling", state="waiting")
        await alice.does("client.hangUp()")
        await alice.expects("call", state="ended", reason="cancelled")
        line.mend()
        await until(bob, "CALL_ENDED", call_id)


async def test_hang_up_that_was_sent_into_the_void_arrives(
    open_client: OpenClient, library_server: RunningServer
) -> None:
    async with Line.to(library_server.port) as line, Person(library_server.ws_url, "deaf-bob") as bob:
        await bob.registers()
        alice = await open_client("alice", line.port)
        call_id = await rings_at(alice, bob)
        line.go_deaf()
        await alice.does("client.hangUp()")
        # What the browser does by itself when the network changes or the tab is shown again.
        await alice.does("dispatchEvent(new Event('online'))")
        await alice.expects("signaling", state="waiting")
        line.mend()
        await alice.does("client.retryNow()")
        await until(bob, "CALL_ENDED", call_id)


async def test_timers_run_although_their_worker_never_comes(
    open_client: OpenClient, library_server: RunningServer
) -> None:
    async with Line.to(library_server.port) as line:
        alice = await open_client("alice", line.port, connected=False)
        await alice.does(
            "import('/static/webclient/securecall/timers.js').then((timers) => { window.timers = timers; })"
        )
        line.hold()
        await alice.does(
            "new Promise((run) => new timers.Timers('/static/webclient/timer-worker.js?held').after(10, run))"
        )


async def test_worker_that_does_not_start_is_told_once(open_any_client: OpenAnyClient) -> None:
    alice = await open_any_client("alice", workerUrl="/nowhere.js")
    await alice.expects("warning", code="worker-unavailable")
    await alice.asks_often()
    assert await alice.does("events.filter(({ type }) => type === 'warning').length") == 1


async def test_answer_that_came_while_offline_is_taken(open_client: OpenClient, library_server: RunningServer) -> None:
    async with Line.to(library_server.port) as line:
        alice, bob = await open_client("alice", line.port), await open_client("bob")
        call_id = await alice.calls(bob)
        line.cut()
        await alice.expects("signaling", state="waiting")
        await bob.accepts()
        line.mend()
        await alice.does("client.retryNow()")
        await alice.expects("call", state="connected", callId=call_id)
        await bob.expects("call", state="connected", callId=call_id)


async def test_call_goes_on_while_the_server_is_away(open_client: OpenClient, library_server: RunningServer) -> None:
    async with Line.to(library_server.port) as line:
        alice, bob = await open_client("alice", line.port), await open_client("bob")
        await alice.talks_to(bob)
        line.cut()
        await alice.expects("signaling", state="waiting")
        # The hang-up takes the media's way.
        await alice.does("client.hangUp()")
        await bob.expects("call", state="ended", reason="hung-up", endedBy="peer")


async def test_camera_switched_on_while_the_server_is_away_is_seen_when_it_is_back(
    open_client: OpenClient, library_server: RunningServer
) -> None:
    async with Line.to(library_server.port) as line:
        alice, bob = await open_client("alice", line.port), await open_client("bob")
        await alice.talks_to(bob)
        line.cut()
        await alice.expects("signaling", state="waiting")
        await alice.does(
            "media({video: true}).then((stream) => client.replaceTrack('video', stream.getVideoTracks()[0]))"
        )
        await alice.expects("signaling", state="waiting")
        line.mend()
        await alice.does("client.retryNow()")
        await bob.expects("remotestream", hasVideo=True)


async def test_deliberate_disconnect_does_not_come_back(open_client: OpenClient, library_server: RunningServer) -> None:
    async with Person(library_server.ws_url, "left-bob") as bob:
        await bob.registers()
        alice = await open_client("alice")
        call_id = await rings_at(alice, bob)
        await alice.does("client.disconnect()")
        await alice.expects("signaling", state="closed")
        await until(bob, "CALL_ENDED", call_id)
        await alice.does("client.retryNow()")
        assert await alice.does("client.signaling.state") == "closed"
        await alice.does("client.connect()")
        await alice.expects("signaling", state="online")


@pytest.mark.parametrize("is_answered", [False, True])
async def test_call_of_a_page_that_was_left_ends_when_its_user_is_back(
    open_client: OpenClient, library_server: RunningServer, *, is_answered: bool
) -> None:
    alice = await open_client("alice", connected=False)
    async with Person(library_server.ws_url, "left-behind-bob") as bob:
        await bob.registers()
        async with Person(library_server.ws_url, alice.id) as before:
            await before.registers()
            call_id = await (before.talks_to(bob) if is_answered else before.rings(bob))
            await before.close(1001)
        await alice.connects()
        # Who only rang stopped calling.
        reason = {"reason": "superseded"} if is_answered else {}
        assert await bob.expects("CALL_ENDED") == {"callId": call_id, **reason}


async def test_call_that_the_server_lists_is_not_placed_again(
    open_client: OpenClient, library_server: RunningServer
) -> None:
    async with Line.to(library_server.port) as line, Person(library_server.ws_url, "still-rings-bob") as bob:
        await bob.registers()
        alice = await open_client("alice", line.port, heartbeatIntervalMs=100)
        await alice.does(RECORD)
        call_id = await rings_at(alice, bob)
        # What no answered heartbeat proves to have arrived would be sent again anyway.
        await alice.does("isProved")
        line.cut()
        await alice.expects("signaling", state="waiting")
        line.mend()
        await alice.does("client.retryNow()")
        await alice.expects("signaling", state="online")
        assert (await alice.does("log")).count("CALL_INITIATE") == 1
        await bob.send("CALL_REJECT", callId=call_id)
        await alice.expects("call", state="ended", reason="rejected", callId=call_id)


async def test_call_that_was_declined_and_rings_again_is_not_busy(
    open_client: OpenClient, library_server: RunningServer
) -> None:
    alice = await open_client("alice")
    async with Person(library_server.ws_url, "again-bob") as bob:
        await bob.registers()
        call_id = new_call_id()
        await bob.send("CALL_INITIATE", targetId=alice.id, sdpOffer=OFFER, callId=call_id)
        await alice.expects("call", state="incoming", callId=call_id)
        await alice.does("client.reject()")
        for _ in range(2):
            assert await bob.expects("CALL_REJECTED") == {"callId": call_id}
            await bob.send("CALL_INITIATE", targetId=alice.id, sdpOffer=OFFER, callId=call_id)
