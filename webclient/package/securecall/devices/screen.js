/**
 * A screen in place of the camera, which is off meanwhile, and on again afterwards if it was before.
 */

import { NO_CALL_TO_SEND_IN, SecureCallError } from "../errors.js";
import { orGiveBack } from "./giving-back.js";

/** A screen that is shown in a call. */
export class Screen {
  /** @type {MediaStream | null} */
  stream = null;
  #callId = "";
  /** @type {MediaStreamTrack | null} the camera before, in whose place another one comes, as muted as it is */
  #before = null;
  #client;
  #camera;
  #changed;

  /**
   * @param {import("../../securecall.js").SecureCall} client
   * @param {{switchOff: () => MediaStreamTrack | undefined, switchOn: (callId: string, old: MediaStreamTrack) => Promise<void>}} camera
   * @param {() => void} changed
   */
  constructor(client, camera, changed) {
    this.#client = client;
    this.#camera = camera;
    this.#changed = changed;
    client.addEventListener("call", ({ detail: { state, callId } }) => {
      // One that gave way to the peer's, which crossed it, ends without an event.
      if (this.stream && (state === "ended" || callId !== this.#callId)) this.#end();
    });
  }

  /** Ask which screen, and show it in the call that goes on now. */
  async share() {
    const callId = ongoing(this.#client);
    if (callId === null || rings(this.#client)) throw new SecureCallError("no-call", NO_CALL_TO_SEND_IN);
    const stream = await navigator.mediaDevices.getDisplayMedia({ video: true });
    const [track] = stream.getVideoTracks();
    // Sharp rather than smooth; the peer is told by it that it is a screen.
    track.contentHint = "detail";
    await orGiveBack(track, () => this.#client.replaceTrack("video", track, callId));
    this.#stopTracks();
    this.stream = stream;
    this.#callId = callId;
    this.#before ??= this.#camera.switchOff() ?? null;
    // The browser has a button of its own for it.
    track.addEventListener("ended", () => this.stream === stream && this.stop().catch(() => undefined));
    this.#changed();
  }

  /** Show it no more. */
  async stop() {
    if (!this.stream) return;
    const callId = this.#callId;
    const before = this.#before;
    // Who was muted meanwhile.
    if (before && !this.stream.getVideoTracks()[0].enabled) before.enabled = false;
    this.#end();
    // Also where the camera follows: it may take a question, or be gone, and the last picture would stand until then.
    await this.#client.replaceTrack("video", null, callId);
    if (before) await this.#camera.switchOn(callId, before);
  }

  #end() {
    this.#stopTracks();
    this.stream = null;
    this.#callId = "";
    this.#before = null;
    this.#changed();
  }

  #stopTracks() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
  }
}

/**
 * @param {import("../../securecall.js").SecureCall} client
 * @returns {string | null} the ID of the call that is not over
 */
export function ongoing({ currentCall: call }) {
  return call && call.state !== "ended" ? call.callId : null;
}

/**
 * @param {import("../../securecall.js").SecureCall} client
 * @returns {boolean} whether a call rings here, in which nothing is sent before it is answered
 */
export function rings({ currentCall }) {
  return currentCall?.state === "incoming";
}
