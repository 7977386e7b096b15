/** What is shown, as it follows from the client's state; called whenever something may have changed. */

import { keepFocus } from "./focus.js";
import { element, avatar, play, show, state, write } from "./page.js";
import { renderOwner, renderShutOut } from "./owner-screen.js";
import { isShutOut } from "./owning.js";
import { renderComfort } from "./comfort.js";
import { renderMessages } from "./chat.js";
import { renderDevices } from "./choosing.js";
import { isSilent, ring } from "./ringing.js";
import { renderSecurity } from "./security.js";
import { duration, rate, size } from "./words.js";

const SCREENS = ["welcome", "lobby", "superseded", "shut-out", "call"];
// What is asked for in one screen, and in the way of the next.
const DIALOGS = ["devices", "invitation"];
// Where the next thing to do is: in a new screen the focus would otherwise be nowhere.
const FOCUS = {
  welcome: "name", lobby: "peer", superseded: "superseded-title", "shut-out": "shut-out-title", call: "call-peer",
};
const TONES = { online: "good", connecting: "plain", waiting: "warning", superseded: "warning", closed: "plain", idle: "plain" };

let screen = null;

/** @param {object} demo of demo.js */
export function render(demo) {
  const call = ongoing(demo.client);
  renderSignaling(demo.client?.signaling, isShutOut(demo));
  renderNotice(demo.notice);
  renderIncoming(demo, call);
  if (demo.client) renderLobby(demo);
  if (isShutOut(demo)) renderShutOut(demo);
  if (call) renderCall(demo, call);
  if (demo.devices) renderDevices(demo);
  change(screenFor(demo, call));
  document.title = title(call);
  keepFocus(FOCUS[screen]);
}

/** @returns {object | null} the call that is not over */
export function ongoing(client) {
  const call = client?.currentCall;
  return call && call.state !== "ended" ? call : null;
}

/** @returns {boolean} whether the callee may answer with a picture: not in an audio call */
export function mayShowPicture({ offers }) {
  return offers.video || !offers.audio;
}

function kindOf({ offers }) {
  if (offers.video) return "Video call";
  return offers.audio ? "Audio call" : "A call from somebody without microphone and camera";
}

/** Show for how long people talk; once a second. */
export function renderTime(client) {
  const connectedAt = ongoing(client)?.connectedAt ?? null;
  show("call-time", connectedAt !== null);
  if (connectedAt !== null) write("call-time", duration(Date.now() - connectedAt));
}

function screenFor(demo, call) {
  const { client } = demo;
  if (call && call.state !== "incoming") return "call";
  if (!client) return "welcome";
  if (isShutOut(demo)) return "shut-out";
  return client.signaling.state === "superseded" ? "superseded" : "lobby";
}

function change(next) {
  if (next === screen) return;
  screen = next;
  for (const name of SCREENS) show(name, name === next);
  // Who was invited has called, or the call whose devices were chosen is over.
  for (const name of DIALOGS) element(name).close();
  document.body.dataset.screen = next;
  if (!element("incoming").open) element(FOCUS[next]).focus();
}

function title(call) {
  if (!call) return "SecureCall";
  return call.state === "incoming" ? `${call.peerId} is calling – SecureCall` : `${call.peerId} – SecureCall`;
}

function renderSignaling(signaling, isShut) {
  // These are screens of their own, which say why.
  show("signaling", Boolean(signaling) && signaling.state !== "superseded" && !isShut);
  if (!signaling) return;
  element("signaling").dataset.state = signaling.state;
  element("signaling").dataset.tone = TONES[signaling.state];
  write("signaling-text", signaling.sentence);
  write("superseded-text", signaling.sentence);
  show("retry", signaling.state === "waiting");
}

function renderNotice(notice) {
  // The text's place stays, empty: what appears together with its live region is not read out everywhere.
  show("notice-actions", Boolean(notice));
  element("notice").toggleAttribute("data-shown", Boolean(notice));
  write("notice-text", notice?.text ?? "");
  element("notice").dataset.tone = notice?.tone ?? "plain";
  show("notice-action", Boolean(notice?.action));
  write("notice-action", notice?.action?.label ?? "");
}

const RELAY_HINT = "Hides your network address from the other person. A relay carries the call, and it cannot listen either.";
const NO_RELAY_HINT = "No relay on this server: a call cannot hide your network address from the other person.";

function renderLobby(demo) {
  const { client, opening } = demo;
  const { identity } = client;
  renderOwner(demo);
  const isWithoutRelay = client.hasRelay === false;
  write("always-relay-hint", isWithoutRelay ? NO_RELAY_HINT : RELAY_HINT);
  // Whoever chose it elsewhere can take it back.
  element("always-relay").disabled = isWithoutRelay && !element("always-relay").checked;
  write("you-name", client.clientId);
  avatar("you-avatar", client.clientId);
  write("you-key", identity ? keyStory(identity) : "Getting your key…");
  write("you-fingerprint", identity?.fingerprint ?? "…");
  for (const id of ["call-video", "call-audio"]) element(id).disabled = Boolean(opening);
  const guest = new URLSearchParams({ name: `${client.clientId.slice(0, 58)}-guest`, call: client.clientId });
  element("second-tab").href = `?${guest}`;
}

function keyStory({ isNew, isPublished, replacedAnother }) {
  if (!isPublished) return "Your key is not in the directory yet.";
  if (replacedAnother) return "Your key replaced the one of another browser. Those who knew that one will be warned.";
  return isNew ? "This browser made a key for you just now." : "Your key is kept in this browser.";
}

function renderIncoming({ client, opening }, call) {
  const dialog = element("incoming");
  const isIncoming = call?.state === "incoming";
  if (isIncoming) {
    write("incoming-title", `${call.peerId} is calling`);
    write("incoming-text", kindOf(call));
    avatar("incoming-avatar", call.peerId);
    const key = client.peerKey;
    state("incoming-key", key?.sentence, key?.status === "changed" ? "bad" : "plain");
    show("answer-audio", mayShowPicture(call));
    element("answer").querySelector("use").setAttribute("href", mayShowPicture(call) ? "#icon-camera" : "#icon-phone");
    for (const id of ["answer", "answer-audio"]) element(id).disabled = opening?.callId === call.callId;
  }
  ring(isIncoming, () => show("incoming-silent", isSilent()));
  show("incoming-silent", isSilent());
  if (isIncoming && !dialog.open) dialog.showModal();
  if (!isIncoming && dialog.open) dialog.close();
}

function renderCall(demo, call) {
  const { client, media, devices } = demo;
  avatar("call-avatar", call.peerId);
  write("call-peer", call.peerId);
  write("call-state", call.sentence);
  renderTime(client);
  play("remote", client.remoteStream);
  play("self", devices.screen ?? media);
  write("peer-state", client.peerState?.sentence ?? "");
  const stage = element("stage");
  stage.dataset.remote = demo.seesPeer ? "video" : "none";
  stage.dataset.shows = client.peerState?.video ?? "";
  stage.dataset.self = devices.screen || media?.getVideoTracks().length ? "video" : "none";
  stage.dataset.shares = devices.screen ? "screen" : "";
  renderControls(demo, call);
  renderComfort(demo);
  renderMessages(demo, call);
  renderPath(client.path, call);
  renderSecurity(demo, call);
}

function renderControls({ media, devices, switching }, { callId, connectedAt }) {
  const [microphone] = media?.getAudioTracks() ?? [];
  const isMuted = !microphone?.enabled;
  toggle("mute", isMuted, isMuted ? "microphone-off" : "microphone");
  element("mute").disabled = !microphone;
  const hasCamera = Boolean(media?.getVideoTracks().length);
  toggle("camera", hasCamera, hasCamera ? "camera" : "camera-off");
  // One picture at a time.
  element("camera").disabled = switching === callId || devices.screen !== null;
  element("share-screen").setAttribute("aria-pressed", String(devices.screen !== null));
  element("share-screen").disabled = connectedAt === null || !navigator.mediaDevices?.getDisplayMedia;
}

function toggle(id, isPressed, icon) {
  element(id).setAttribute("aria-pressed", String(isPressed));
  element(id).querySelector("use").setAttribute("href", `#icon-${icon}`);
}

function renderPath(path, call) {
  show("path", Boolean(path));
  const waiting = call.state === "calling" ? "Nothing flows before the call is answered." : "Looking for a path…";
  write("path-sentence", path?.sentence ?? waiting);
  if (!path) return;
  write("path-kind", path.kind === "relayed" ? "Relayed" : "Direct");
  write("path-round-trip", path.roundTripMs === null ? "…" : `${Math.max(Math.round(path.roundTripMs), 1)} ms`);
  write("path-sent", size(path.bytesSent) + rate(path.sentBitsPerSecond));
  write("path-received", size(path.bytesReceived) + rate(path.receivedBitsPerSecond));
}
