/** The demo page: a call with securecall.js. The address may say who you are and whom to call: ?name=alice&call=bob */

import { SecureCall } from "./securecall.js";
import { explain, openCamera, openMedia } from "./demo/media.js";
import { element } from "./demo/page.js";
import { mayShowPicture, ongoing, render, renderTime } from "./demo/screen.js";

const NAME_RULE = "A name has 1 to 64 letters, digits, hyphens or underscores, without spaces.";
const ENDED_TONES = { "hung-up": "plain", cancelled: "plain", "media-failed": "bad", forged: "bad", failed: "bad" };
// What the peer cannot be reached for now may succeed in a moment.
const WORTH_REPEATING = new Set(["rejected", "busy", "no-answer", "not-connected", "peer-disconnected", "media-failed"]);
// Of these the page tells otherwise: the server's answer to a message is the end of a call, with its own sentence.
const TOLD_ELSEWHERE = new Set(["TARGET_NOT_FOUND", "CALL_NOT_FOUND", "superseded"]);

/** What the client does not know of: everything else is shown as the client tells it. */
const demo = {
  /** @type {SecureCall | null} */
  client: null,
  /** @type {MediaStream | null} what we send */
  media: null,
  isOpeningMedia: false,
  seesPeer: false,
  /** @type {string | null} the safety number */
  digits: null,
  /** @type {{text: string, tone: string, action?: {label: string, run: () => void}} | null} */
  notice: null,
};
// Read by the client at each call.
const rtcConfiguration = { iceTransportPolicy: "all" };

// --- Coming and going ---------------------------------------------------------------------------------

async function enter(name, callAtOnce) {
  const heartbeatIntervalMs = Number(document.body.dataset.heartbeatIntervalMs);
  const client = new SecureCall("/signal", { clientId: name, heartbeatIntervalMs, rtcConfiguration });
  demo.client = client;
  listen(client);
  remember({ name });
  update();
  try {
    await client.connect();
    if (callAtOnce) placeCall(callAtOnce, true);
  } catch {
    // Superseded or left meanwhile, which the screen says.
  }
}

function leave() {
  demo.client?.disconnect();
  demo.client = null;
  demo.notice = null;
  asked.delete("call");
  remember({});
  update();
}

/** Keep in the address who we are, for a reload; whom to call is meant once. */
function remember(parameters) {
  const query = new URLSearchParams(parameters).toString();
  history.replaceState(null, "", query ? `?${query}` : location.pathname);
}

function listen(client) {
  for (const type of ["signaling", "path", "identity", "peerkey", "verification"]) {
    client.addEventListener(type, update);
  }
  client.addEventListener("call", ({ detail }) => callChanged(detail));
  client.addEventListener("safetynumber", ({ detail }) => {
    demo.digits = detail.digits;
    update();
  });
  client.addEventListener("peerconnection", ({ detail }) => receiveAtLeast(detail.peerConnection));
  client.addEventListener("remotestream", ({ detail }) => remoteChanged(detail.stream));
  client.addEventListener("missedcall", ({ detail }) => {
    notify(`${detail.peerId} called while you were in this call.`, "plain");
  });
  client.addEventListener("error", ({ detail }) => {
    if (!TOLD_ELSEWHERE.has(detail.code)) notify(detail.message, "bad");
  });
}

// --- Calls --------------------------------------------------------------------------------------------

async function placeCall(peerId, withVideo) {
  await withMedia(withVideo, (stream) => demo.client?.call(peerId, stream));
}

async function answer(withVideo) {
  await withMedia(withVideo, (stream) => demo.client?.accept(stream));
}

/** Open microphone and camera, then do something with them; give them back if it cannot be done. */
async function withMedia(withVideo, run) {
  demo.notice = null;
  demo.isOpeningMedia = true;
  update();
  const { stream, problem } = await openMedia(withVideo);
  demo.media = stream;
  demo.isOpeningMedia = false;
  if (problem) notify(problem, "warning");
  try {
    await run(stream);
  } catch (error) {
    releaseMedia();
    notify(error.message, "bad");
  }
  update();
}

function callChanged(call) {
  if (call.state === "ended") ended(call);
  if (call.state === "calling" || call.state === "incoming") demo.digits = null;
  update();
}

function ended({ reason, sentence, peerId, offers }) {
  releaseMedia();
  demo.seesPeer = false;
  const again = { label: "Call again", run: () => placeCall(peerId, offers.video) };
  demo.notice = { text: sentence, tone: ENDED_TONES[reason] ?? "warning" };
  if (WORTH_REPEATING.has(reason)) demo.notice.action = again;
}

function releaseMedia() {
  for (const track of demo.media?.getTracks() ?? []) track.stop();
  demo.media = null;
}

/** Somebody without microphone and camera wants to see and hear all the same. */
function receiveAtLeast(peerConnection) {
  if (demo.media || demo.client?.currentCall?.role === "callee") return;
  for (const kind of ["audio", "video"]) peerConnection.addTransceiver(kind, { direction: "recvonly" });
}

function remoteChanged(stream) {
  const look = () => {
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

function toggleMicrophone() {
  for (const track of demo.media?.getAudioTracks() ?? []) track.enabled = !track.enabled;
  update();
}

/** The camera is given back while it is off, so that its light goes out. */
async function toggleCamera() {
  const { client } = demo;
  const [current] = demo.media?.getVideoTracks() ?? [];
  element("camera").disabled = true;
  try {
    const track = current ? null : await openCamera();
    current?.stop();
    // A stream of its own: a video element shows no track that it was not given with its stream.
    const others = demo.media?.getAudioTracks() ?? [];
    demo.media = new MediaStream(track ? [...others, track] : others);
    await client?.replaceTrack("video", track);
  } catch (error) {
    notify(error instanceof DOMException ? `No camera. ${explain(error)}` : error.message, "warning");
  }
  element("camera").disabled = false;
  if (!ongoing(client)) releaseMedia();
  update();
}

const asked = new URLSearchParams(location.search);

// --- The page -----------------------------------------------------------------------------------------

function notify(text, tone, action) {
  demo.notice = { text, tone, action };
  update();
}

function update() {
  render(demo);
}

/** Run `use(name)` with a good name, or say beside the field what is wrong. */
function onName(formId, inputId, use) {
  element(formId).addEventListener("submit", (event) => {
    event.preventDefault();
    const input = element(inputId);
    input.value = input.value.trim();
    const problem = input.checkValidity() ? refusal(inputId, input.value) : NAME_RULE;
    element(`${inputId}-error`).textContent = problem;
    input.setAttribute("aria-invalid", String(Boolean(problem)));
    if (problem) input.focus();
    else use(input.value, event.submitter);
  });
}

function refusal(inputId, name) {
  return inputId === "peer" && name === demo.client?.clientId ? "That is you. Enter somebody else’s name." : "";
}

function onClick(id, run) {
  element(id).addEventListener("click", run);
}

onName("name-form", "name", (name) => enter(name, asked.get("call")));
onName("call-form", "peer", (peerId, button) => placeCall(peerId, button?.value !== "audio"));
onClick("retry", () => demo.client?.retryNow());
onClick("come-back", () => demo.client?.connect().catch(() => {}));
onClick("leave", leave);
onClick("leave-superseded", leave);
onClick("answer", () => answer(mayShowPicture(demo.client.currentCall)));
onClick("answer-audio", () => answer(false));
onClick("decline", () => demo.client?.reject());
onClick("hang-up", () => demo.client?.hangUp());
onClick("mute", toggleMicrophone);
onClick("camera", toggleCamera);
onClick("compared", () => demo.client?.setPeerVerified(!demo.client.peerKey?.isVerified));
onClick("dismiss", () => {
  demo.notice = null;
  update();
});
onClick("notice-action", () => {
  const run = demo.notice?.action?.run;
  demo.notice = null;
  update();
  run?.();
});
element("incoming").addEventListener("cancel", (event) => {
  event.preventDefault();
  demo.client?.reject();
});
element("always-relay").addEventListener("change", ({ target }) => {
  rtcConfiguration.iceTransportPolicy = target.checked ? "relay" : "all";
});
element("accept-key-sure").addEventListener("change", update);
element("accept-key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  demo.client?.acceptPeerKey(undefined, demo.client.peerKey?.publicKey);
});
setInterval(() => renderTime(demo.client), 1000);

update();
if (asked.has("name")) {
  element("name").value = asked.get("name");
  element("peer").value = asked.get("call") ?? "";
  element("name-form").requestSubmit();
}
