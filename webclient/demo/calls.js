/** What is done with calls. Each act is for the call that was there at the click, however long it takes, or for none. */

import { keepAwake, leaveComfort } from "./comfort.js";
import { openMedia } from "./media.js";
import { element } from "./page.js";
import { hold, release, stop } from "./sending.js";
import { demo, notify, update } from "./state.js";

const ENDED_TONES = { "hung-up": "plain", cancelled: "plain", "media-failed": "bad", forged: "bad", failed: "bad" };
// What the peer cannot be reached for now may succeed in a moment.
const WORTH_REPEATING = new Set(["rejected", "busy", "no-answer", "not-connected", "peer-disconnected", "media-failed"]);

/** Call somebody, with what there is of microphone and camera. */
export async function placeCall(peerId, withVideo) {
  const { client } = demo;
  await withMedia(withVideo, null, (stream) => client.call(peerId, stream));
}

/** Answer the call, unless it is over by then. */
export async function answer({ callId }, withVideo) {
  const { client } = demo;
  await withMedia(withVideo, callId, (stream) => client.accept(stream, callId));
}

/**
 * Open microphone and camera, then do something with them; give them back if it cannot be done. The browser may ask for
 * as long as it likes: what comes too late for the call that it was meant for is for no other one.
 */
async function withMedia(withVideo, callId, run) {
  if (demo.rtcConfiguration.iceTransportPolicy === "relay" && demo.client.hasRelay === false) {
    notify("This server has no relay, so a call cannot hide your network address. Switch “Always relay” off to call without.", "bad");
    return;
  }
  const opening = { callId };
  demo.notice = null;
  demo.opening = opening;
  update();
  const { stream, problem } = await openMedia(withVideo);
  if (demo.opening !== opening) {
    stop(stream);
    return;
  }
  demo.opening = null;
  hold(stream);
  if (problem) notify(problem, "warning");
  try {
    await run(stream);
  } catch (error) {
    stop(stream);
    if (demo.media === stream) hold(null);
    // How the call ended that it was for has been told.
    if (error.code !== "no-call") notify(error.message, "bad");
  }
  update();
}

/** Follow the client's call. */
export function callChanged(call) {
  if (call.state === "ended") ended(call);
  keepAwake();
  if (call.state === "calling" || call.state === "incoming") demo.safety = null;
  update();
}

function ended({ callId, reason, sentence, peerId, offers }) {
  if (demo.opening?.callId === callId) demo.opening = null;
  release();
  leaveComfort();
  demo.seesPeer = false;
  const again = { label: "Call again", run: () => placeCall(peerId, offers.video) };
  demo.notice = { text: sentence, tone: ENDED_TONES[reason] ?? "warning" };
  if (WORTH_REPEATING.has(reason)) demo.notice.action = again;
}

/** Somebody without microphone and camera wants to see and hear all the same. */
export function receiveAtLeast(peerConnection) {
  if (demo.media || demo.client?.currentCall?.role === "callee" || peerConnection.getTransceivers().length) return;
  for (const kind of ["audio", "video"]) peerConnection.addTransceiver(kind, { direction: "recvonly" });
}

/** Play what the peer sends. */
export function remoteChanged(stream) {
  const look = () => {
    // Tracks of a call that is over have their last words during the next one.
    if (stream !== demo.client?.remoteStream) return;
    demo.seesPeer = stream.getVideoTracks().some((track) => track.readyState === "live" && !track.muted);
    update();
  };
  for (const track of stream.getTracks()) for (const type of ["mute", "unmute", "ended"]) track.addEventListener(type, look);
  look();
  element("remote")
    .play()
    .catch((error) => {
      // A page that was opened by a link may not make a sound before somebody touches it.
      if (error.name !== "NotAllowedError") return;
      const action = { label: "Turn the sound on", run: () => element("remote").play() };
      notify("The browser holds the sound back.", "warning", action);
    });
}

/** The new key is accepted because the safety number was compared, so it is marked as that too. */
export async function acceptCompared(peerId, publicKey) {
  const { client } = demo;
  const { status } = await client.acceptPeerKey(peerId, publicKey);
  if (status === "known") await client.setPeerVerified(true, peerId, publicKey);
}

/** The two people compared what was shown; by now the key may be another one. */
export function toggleVerified() {
  const { client, safety } = demo;
  client.setPeerVerified(!client.peerKey?.isVerified, safety?.peerId, safety?.publicKey);
}
