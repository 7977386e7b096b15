"""Microphones, cameras, speakers and screens of a client, before a call and in one."""

from itertools import groupby
from typing import Any

import pytest

from webclient.tests.library.clients import Client, Document
from webclient.tests.library.conftest import OpenAnyClient, OpenClient
from webclient.tests.library.liar import Liar
from webclient.tests.library.test_securecall import CALL

pytestmark = pytest.mark.asyncio(loop_scope="session")

# While `isHeld`, the browser asks and asks, until `release()`. Headless browsers have no display: the screen is drawn.
START = """
async (chosen) => {
  const { Devices } = await import("/static/webclient/devices.js");
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  Object.assign(window, { isHeld: false, opened: [] });
  const given = async (stream) => {
    if (isHeld) await new Promise((resolve) => { window.release = resolve; });
    opened.push(...stream.getTracks());
    return stream;
  };
  navigator.mediaDevices.getUserMedia = async (constraints) => given(await open(constraints));
  navigator.mediaDevices.getDisplayMedia = async () => {
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("2d");
    setInterval(() => context.fillRect(Math.random() * 300, 0, 9, 9), 50);
    return given(canvas.captureStream(10));
  };
  window.devices = new Devices(client, chosen);
  window.told = [];
  for (const type of ["chosen", "stream", "screen"]) devices.addEventListener(type, () => told.push(type));
  devices.stream = await devices.open({ audio: true, video: true });
  window.idsOf = async (kind) => (await devices.list()).filter((it) => it.kind === kind).map(({ id }) => id);
  window.track = (kind) => devices.stream.getTracks().find((it) => it.kind === kind);
  window.sent = (kind) => client.peerConnection.getSenders().map((it) => it.track).find((it) => it?.kind === kind);
}
"""
CHOOSE_LAST = "(kind) => idsOf(kind).then((ids) => devices.choose(kind, ids.at(-1)))"
CHOOSE = "([kind, id]) => devices.choose(kind, id).then(() => 'chosen', ({ name }) => name)"
LIVE = "opened.filter(({ readyState }) => readyState === 'live').map(({ kind }) => kind).sort()"


async def uses_devices(client: Client[Document], **chosen: str) -> Client[Document]:
    await client.does(START, chosen)
    return client


def is_last(track: str, kind: str) -> str:
    """Return the question whether a track is of the last device of a kind."""
    return f"idsOf('{kind}').then((ids) => {track}.getSettings().deviceId === ids.at(-1))"


async def calls(alice: Client[Document], bob: Client[Document]) -> None:
    """Call with what is open."""
    await alice.does(f"client.call('{bob.id}', devices.stream)")
    await bob.expects("call", state="incoming")
    await bob.accepts()
    await bob.expects("peerstate", audio="on", video="on")


async def test_devices_are_chosen_before_a_call(open_any_client: OpenAnyClient) -> None:
    alice = await uses_devices(await open_any_client("alice", connected=False))
    kinds = await alice.does("devices.list().then((all) => all.map(({ kind }) => kind))")
    assert {"microphone", "camera"} <= set(kinds)
    await alice.does("() => { track('audio').enabled = false; }")
    for kind, media in (("microphone", "audio"), ("camera", "video")):
        await alice.does(CHOOSE_LAST, kind)
        assert await alice.does(is_last(f"track('{media}')", kind))
        assert await alice.does(f"idsOf('{kind}').then((ids) => devices.chosen.{kind} === ids.at(-1))")
    # Who was muted is; what was in use before is given back.
    assert await alice.does("[track('audio').enabled, track('video').enabled]") == [False, True]
    assert await alice.does(LIVE) == ["audio", "video"]
    assert await alice.does("told") == ["stream", "chosen"] * 2


async def test_devices_are_changed_in_a_call(open_any_client: OpenAnyClient) -> None:
    alice, bob = await uses_devices(await open_any_client("alice")), await open_any_client("bob")
    await calls(alice, bob)
    await alice.does("client.setMuted('audio', true)")
    await bob.expects("peerstate", audio="off")
    for kind, media in (("microphone", "audio"), ("camera", "video")):
        await alice.does(CHOOSE_LAST, kind)
        assert await alice.does(is_last(f"sent('{media}')", kind))
        assert await alice.does(f"sent('{media}') === track('{media}')")
    assert await alice.does("[sent('audio').enabled, sent('video').enabled]") == [False, True]
    assert await alice.does(LIVE) == ["audio", "video"]
    # A camera that is off stays off.
    await alice.does("() => { track('video').stop(); return client.replaceTrack('video', null); }")
    await alice.does(CHOOSE_LAST, "camera")
    assert await alice.does(LIVE) == ["audio"]
    await bob.expects("peerstate", audio="off", video="none")


# While it is held, the browser is about to send another track.
HOLD_REPLACING = """
() => {
  const { replaceTrack } = RTCRtpSender.prototype;
  RTCRtpSender.prototype.replaceTrack = async function (track) {
    await new Promise((resolve) => { window.release = resolve; });
    return replaceTrack.call(this, track);
  };
}
"""


async def seen_states(client: Client[Document]) -> list[tuple[str, str]]:
    """Return what the peer said of its microphone and camera, one state after the other."""
    states = await client.does("events.filter(({ type, audio }) => type === 'peerstate' && audio)")
    return [state for state, _ in groupby((it["audio"], it["video"]) for it in states)]


async def test_nobody_is_called_muted_whose_device_is_changed(open_any_client: OpenAnyClient) -> None:
    alice, bob = await uses_devices(await open_any_client("alice")), await open_any_client("bob")
    await calls(alice, bob)
    for kind in ("microphone", "camera"):
        await alice.does(CHOOSE_LAST, kind)
    await alice.does("client.setMuted('video', true)")
    await bob.expects("peerstate", audio="on", video="off")
    assert await seen_states(bob) == [("on", "on"), ("on", "off")]
    # Muted while the other one is put in its place.
    await alice.does(HOLD_REPLACING)
    await alice.does("() => { window.chosen = devices.choose('microphone', null); }")
    await alice.until("window.release")
    await alice.does("client.setMuted('audio', true)")
    await alice.does("() => { release(); return chosen; }")
    await alice.does("client.setMuted('video', false)")
    await bob.expects("peerstate", audio="off", video="on")
    assert await seen_states(bob) == [("on", "on"), ("on", "off"), ("off", "off"), ("off", "on")]
    assert await alice.does("sent('audio').enabled") is False


async def test_device_that_is_gone_is_not_chosen(open_any_client: OpenAnyClient) -> None:
    alice = await uses_devices(await open_any_client("alice", connected=False), camera="gone", microphone="gone")
    assert await alice.does(LIVE) == ["audio", "video"]
    await alice.does(CHOOSE_LAST, "camera")
    before = await alice.does("devices.chosen")
    for kind in ("camera", "microphone", "speaker"):
        # A player that has no speaker to go to.
        await alice.does("devices.play(document.createElement('audio'))")
        assert await alice.does(CHOOSE, [kind, "gone"]) in {"OverconstrainedError", "NotFoundError"}
        assert await alice.does("devices.chosen") == before
    assert await alice.does(LIVE) == ["audio", "video"]


# Phones open one camera at a time; this one's other camera does not open at all, `fails` times.
ONE_CAMERA = """
(fails) => {
  const open = navigator.mediaDevices.getUserMedia;
  navigator.mediaDevices.getUserMedia = async (constraints) => {
    fails -= 1;
    if (fails >= 0) throw new DOMException("in use", "NotReadableError");
    return open(constraints);
  };
}
"""


@pytest.mark.parametrize(("fails", "live"), [(2, ["audio", "video"]), (3, ["audio"])])
async def test_camera_that_made_room_for_one_that_fails_is_opened_again(
    open_any_client: OpenAnyClient, fails: int, live: list[str]
) -> None:
    alice, bob = await uses_devices(await open_any_client("alice")), await open_any_client("bob")
    await calls(alice, bob)
    await alice.does("client.setMuted('video', true)")
    await bob.expects("peerstate", video="off")
    camera = await alice.does("track('video').getSettings().deviceId")
    await alice.does(ONE_CAMERA, fails)
    assert await alice.does(CHOOSE, ["camera", None]) == "NotReadableError"
    assert await alice.does("devices.chosen.camera") is None
    assert await alice.does(LIVE) == live
    assert await alice.does("sent('video') === track('video')")
    if "video" in live:
        assert await alice.does("track('video').getSettings().deviceId") == camera
        assert await alice.does("track('video').enabled") is False
    else:
        assert await alice.does("track('video') ?? null") is None
        await bob.expects("peerstate", video="none")


async def test_device_that_is_there_is_opened_beside_one_that_is_gone(open_any_client: OpenAnyClient) -> None:
    alice = await uses_devices(await open_any_client("alice", connected=False))
    last = await alice.does("idsOf('microphone').then((ids) => ids.at(-1))")
    await uses_devices(alice, camera="gone", microphone=last)
    assert await alice.does("track('audio').getSettings().deviceId") == last
    assert await alice.does("track('video').readyState") == "live"


async def test_device_that_comes_too_late_is_given_back(open_any_client: OpenAnyClient) -> None:
    alice, bob = await uses_devices(await open_any_client("alice")), await open_any_client("bob")
    for act in ("devices.choose('microphone', null)", "devices.shareScreen()"):
        await calls(alice, bob)
        await alice.does(f"() => {{ isHeld = true; window.late = {act}.catch((error) => error.code || error.name); }}")
        await alice.until("window.release")
        await alice.does("client.hangUp()")
        await bob.expects("call", state="ended")
        await alice.does("() => { isHeld = false; release(); delete window.release; }")
        assert await alice.does("late") in {"no-call", "AbortError", 20}
        assert await alice.does(LIVE) == ["audio", "video"]


async def test_devices_are_chosen_while_a_call_rings(open_any_client: OpenAnyClient) -> None:
    alice, bob = await uses_devices(await open_any_client("alice")), await open_any_client("bob")
    await bob.calls(alice)
    for kind, media in (("microphone", "audio"), ("camera", "video")):
        await alice.does(CHOOSE_LAST, kind)
        assert await alice.does(is_last(f"track('{media}')", kind))
    # Nothing is sent yet: nobody is asked for a screen.
    assert await alice.does("devices.shareScreen().catch(({ code }) => code)") == "no-call"
    assert await alice.does(LIVE) == ["audio", "video"]
    assert await alice.does("opened.length") == 4
    await alice.does("client.accept(devices.stream)")
    await bob.expects("peerstate", audio="on", video="on")


async def test_speaker_is_chosen_for_all_players(open_client: OpenClient) -> None:
    """Firefox lists none before it was asked for one, which takes a person."""
    alice = await uses_devices(await open_client("alice", connected=False))
    await alice.does("() => { window.players = [new Audio(), new Audio()]; return devices.play(players[0]); }")
    await alice.does(CHOOSE_LAST, "speaker")
    await alice.does("devices.play(players[1])")
    [chosen] = {await alice.does(f"players[{at}].sinkId") for at in (0, 1)}
    assert chosen == await alice.does("idsOf('speaker').then((ids) => ids.at(-1))")
    await alice.does(CHOOSE, ["speaker", None])
    assert await alice.does("players.map(({ sinkId }) => sinkId)") == ["", ""]
    assert await alice.does("devices.askForSpeaker()") is False


# The call knows what is sent; the peer is told.
IS_SCREEN = "sent('video') === devices.screen?.getVideoTracks()[0]"


async def shows_screen(alice: Client[Any], bob: Client[Any]) -> None:
    await alice.does("devices.shareScreen()")
    assert await alice.does(IS_SCREEN)
    await bob.until("client.peerState.audio === 'on' && client.peerState.video === 'screen'")


async def test_screen_takes_the_place_of_the_camera(open_any_client: OpenAnyClient) -> None:
    alice, bob = await uses_devices(await open_any_client("alice")), await open_any_client("bob")
    assert await alice.does("devices.shareScreen().catch(({ code }) => code)") == "no-call"
    await calls(alice, bob)
    await shows_screen(alice, bob)
    # The camera's light is off.
    assert await alice.does(LIVE) == ["audio", "video"]
    assert await alice.does("devices.stream.getVideoTracks().length") == 0
    # Another screen.
    await shows_screen(alice, bob)
    await alice.does("devices.stopSharing()")
    await bob.until("client.peerState.video === 'on'")
    assert await alice.does("sent('video') === track('video')")
    assert await alice.does("devices.screen") is None
    await shows_screen(alice, bob)
    await alice.does("client.hangUp()")
    await alice.expects("call", state="ended")
    assert await alice.does(LIVE) == ["audio"]
    assert await bob.does("events.filter(({ type }) => type === 'peermedia')") == []


async def test_screen_that_is_stopped_in_the_browser_leaves_nothing(open_client: OpenClient) -> None:
    alice, bob = await uses_devices(await open_client("alice")), await open_client("bob")
    await alice.does("() => { track('video').stop(); devices.stream = new MediaStream([track('audio')]); }")
    await alice.does(f"client.call('{bob.id}', devices.stream)")
    await bob.expects("call", state="incoming")
    await bob.accepts()
    await alice.expects("peerstate", takesData=True)
    await shows_screen(alice, bob)
    await alice.does("() => { sent('video').dispatchEvent(new Event('ended')); }")
    await bob.until("client.peerState.video === 'none'")
    assert await bob.does("events.filter(({ type }) => type === 'peermedia')") == []
    assert await alice.does(LIVE) == ["audio"]


async def test_screen_whose_camera_is_gone_leaves_no_picture(open_any_client: OpenAnyClient) -> None:
    alice, bob = await uses_devices(await open_any_client("alice")), await open_any_client("bob")
    await calls(alice, bob)
    await shows_screen(alice, bob)
    await bob.until("client.remoteStream.getVideoTracks().length === 1")
    await alice.does("""() => {
      navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("unplugged", "NotFoundError"); };
    }""")
    assert await alice.does("devices.stopSharing().catch(({ name }) => name)") == "NotFoundError"
    await bob.expects("remotestream", hasAudio=True, hasVideo=False)
    state = await bob.expects("peerstate", audio="on", video="none")
    assert state["sentence"] == f"{alice.id} has the camera off."
    assert await alice.does("sent('video') ?? null") is None
    assert await alice.does(LIVE) == ["audio"]


async def test_screen_leaves_no_picture_while_the_camera_is_asked_for(open_any_client: OpenAnyClient) -> None:
    alice, bob = await uses_devices(await open_any_client("alice")), await open_any_client("bob")
    await calls(alice, bob)
    await shows_screen(alice, bob)
    await alice.does("() => { isHeld = true; window.stopped = devices.stopSharing(); }")
    await bob.expects("remotestream", hasAudio=True, hasVideo=False)
    await alice.until("window.release")
    await alice.does("() => { isHeld = false; release(); return stopped; }")
    await bob.expects("remotestream", hasAudio=True, hasVideo=True)
    await bob.until("client.peerState.video === 'on'")


@pytest.mark.parametrize("mutes", ["before", "beside"])
async def test_camera_that_was_muted_is_muted_after_a_screen(open_any_client: OpenAnyClient, mutes: str) -> None:
    """Who is not to be seen would be."""
    alice, bob = await uses_devices(await open_any_client("alice")), await open_any_client("bob")
    await calls(alice, bob)
    # The camera that the call began with is another one.
    await alice.does(CHOOSE_LAST, "camera")
    if mutes == "before":
        await alice.does("client.setMuted('video', true)")
        await bob.expects("peerstate", video="off")
    await shows_screen(alice, bob)
    if mutes == "beside":
        await alice.does("client.setMuted('video', true)")
        await bob.expects("peerstate", video="off")
    await alice.does("devices.stopSharing()")
    assert await alice.does("sent('video') === track('video')")
    assert await alice.does("track('video').enabled") is False
    await alice.does("client.setMuted('video', false)")
    await bob.until("client.peerState.video === 'on'")
    assert ("on", "on") not in (await seen_states(bob))[1:-1]


async def test_screen_ends_with_a_call_that_gives_way(open_client: OpenClient, liar: Liar) -> None:
    """Both called each other: the peer's call takes the place of this one without a word."""
    alice, bob = await uses_devices(await open_client("alice", liar.port)), await open_client("bob")
    # The call with the smaller ID wins.
    for person, byte in ((alice, 255), (bob, 0)):
        await person.does(f"() => {{ crypto.getRandomValues = (bytes) => bytes.fill({byte}); }}")
    liar.keeps("CALL_INITIATE")
    await alice.does(f"client.call('{bob.id}', devices.stream)")
    await liar.hears("CALL_INITIATE")
    await alice.does("devices.shareScreen()")
    await bob.does(CALL % alice.id)
    await bob.expects("call", state="connected")
    await alice.expects("call", state="connected")
    assert await alice.does("devices.screen") is None
    assert await alice.does(LIVE) == ["audio"]
