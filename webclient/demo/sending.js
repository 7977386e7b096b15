/** What is sent in a call: microphone, camera or screen, as they are opened, muted, changed, and given back. */

import { Devices } from "../devices.js";
import { keep, kept } from "./keeping.js";
import { explain, openMedia } from "./media.js";
import { ongoing } from "./screen.js";
import { demo, notify, update } from "./state.js";

// Who was muted before the page was loaded anew still is.
const MUTED = "muted in call";
const CHOSEN = "devices";
const NAMES = { audio: "microphone", video: "camera" };

/** Begin with a client: with the devices that were chosen in this browser. */
export function useDevices(client) {
  const chosen = JSON.parse(kept("localStorage", CHOSEN) ?? "{}");
  const devices = new Devices(client, chosen);
  demo.devices = devices;
  devices.play(document.getElementById("remote")).catch(() => devices.choose("speaker", null));
  devices.addEventListener("chosen", () => keep("localStorage", CHOSEN, JSON.stringify(devices.chosen)));
  devices.addEventListener("stream", () => hold(devices.stream));
  for (const type of ["chosen", "devices", "screen"]) devices.addEventListener(type, update);
}

/** Show and send a stream from now on. */
export function hold(stream) {
  const tracks = stream?.getTracks() ?? [];
  // Such as a preview that a call came into.
  for (const track of demo.media?.getTracks() ?? []) if (!tracks.includes(track)) track.stop();
  demo.media = stream;
  demo.devices.stream = stream;
  for (const track of tracks) track.onended = () => replaceEnded(track);
  update();
}

/** Give microphone and camera back. */
export function release() {
  hold(null);
}

export function stop(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}

/** Open what a call sent before this page was loaded anew. */
export async function openAgain(sends, { callId }) {
  const { stream, problem } = await openMedia(sends.video);
  // The library stops what comes too late.
  if (ongoing(demo.client)?.callId !== callId) return stream;
  for (const track of stream?.getAudioTracks() ?? []) track.enabled = kept("sessionStorage", MUTED) !== callId;
  hold(stream);
  if (problem) notify(problem, "warning");
  return stream;
}

/** Replace what ends by itself, unplugged or taken by another program; what the page stops ends without a word. */
async function replaceEnded(ended) {
  const { client } = demo;
  const { kind } = ended;
  const call = ongoing(client);
  const isOver = () => ongoing(client)?.callId !== call?.callId || !demo.media?.getTracks().includes(ended);
  if (!call || isOver()) return;
  const track = await openTrack(kind).catch(() => null);
  if (isOver()) {
    track?.stop();
    return;
  }
  const others = demo.media.getTracks().filter((it) => it !== ended);
  if (track) track.enabled = ended.enabled;
  hold(new MediaStream(track ? [...others, track] : others));
  const end = track ? "another one took its place." : `there is no other: ${call.peerId} gets nothing from it any more.`;
  notify(`Your ${NAMES[kind]} stopped, and ${end}`, track ? "plain" : "bad");
  await client.replaceTrack(kind, track, call.callId).catch(() => undefined);
}

/** Mute, or not. */
export function toggleMicrophone({ callId }) {
  const isMuted = Boolean(demo.media?.getAudioTracks().some(({ enabled }) => enabled));
  for (const track of demo.media?.getAudioTracks() ?? []) track.enabled = !isMuted;
  keep("sessionStorage", MUTED, isMuted ? callId : "");
  // Which tells the other person.
  demo.client.setMuted("audio", isMuted, callId).catch(() => undefined);
  update();
}

/** The camera is given back while it is off, so that its light goes out. */
export async function toggleCamera({ callId }) {
  const { client } = demo;
  // A screen that is shown meanwhile has the camera's place.
  const isOver = () => ongoing(client)?.callId !== callId || demo.devices.screen !== null;
  const [current] = demo.media?.getVideoTracks() ?? [];
  demo.switching = callId;
  update();
  try {
    const track = current ? null : await openTrack("video");
    if (isOver()) {
      track?.stop();
      return;
    }
    current?.stop();
    // A stream of its own: a video element shows no track that it was not given with its stream.
    const others = demo.media?.getAudioTracks() ?? [];
    hold(new MediaStream(track ? [...others, track] : others));
    await client.replaceTrack("video", track, callId);
  } catch (error) {
    if (!isOver()) notify(error instanceof DOMException ? `No camera. ${explain(error)}` : error.message, "warning");
  } finally {
    if (demo.switching === callId) demo.switching = null;
    update();
  }
}

/** Show a screen in place of the camera, or no more. */
export async function toggleScreen() {
  const { devices } = demo;
  const isShown = devices.screen !== null;
  try {
    await (isShown ? devices.stopSharing() : devices.shareScreen());
  } catch (error) {
    // Who closes the browser's question has said no, a call that is over has said so, and a camera may be on by now.
    const isNoNews = error.code === "no-call" || error.name === (isShown ? "AbortError" : "NotAllowedError");
    if (!isNoNews) notify(`No ${isShown ? "camera" : "screen"}. ${explain(error)}`, "warning");
  }
}

async function openTrack(kind) {
  const [track] = (await demo.devices.open({ audio: kind === "audio", video: kind === "video" })).getTracks();
  return track;
}
