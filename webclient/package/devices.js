/** Microphones, cameras, speakers and screens of a client. What it offers is described in devices.d.ts. */

import { orGiveBack } from "./securecall/devices/giving-back.js";
import { listDevices, openChosen, openInsteadOf } from "./securecall/devices/opening.js";
import { Screen, ongoing, rings } from "./securecall/devices/screen.js";

/**
 * @typedef {import("./devices.js").DeviceKind} DeviceKind
 * @typedef {import("./securecall/devices/opening.js").Chosen} Chosen
 */

/** @implements {Pick<import("./devices.js").Devices, keyof import("./devices.js").Devices>} */
export class Devices extends EventTarget {
  /** @type {MediaStream | null} */
  stream = null;
  /** @type {Chosen} */
  #chosen;
  /** @type {Set<HTMLMediaElement>} */
  #players = new Set();
  /** @type {Promise<unknown>} */
  #last = Promise.resolve();
  #listening = new AbortController();
  #client;
  #screen;

  /**
   * @param {import("./securecall.js").SecureCall} client
   * @param {Partial<Chosen>} [chosen]
   */
  constructor(client, chosen) {
    super();
    this.#client = client;
    this.#chosen = Object.freeze({ microphone: null, camera: null, speaker: null, ...chosen });
    const camera = { switchOff: () => this.#drop("video"), switchOn: this.#switchOn.bind(this) };
    this.#screen = new Screen(client, camera, () => this.#tell("screen"));
    navigator.mediaDevices?.addEventListener("devicechange", () => this.#tell("devices"), { signal: this.#listening.signal });
  }

  get chosen() {
    return this.#chosen;
  }

  get screen() {
    return this.#screen.stream;
  }

  list() {
    return listDevices(this.#chosen);
  }

  /** @param {{audio: boolean, video: boolean}} wanted */
  open(wanted) {
    return openChosen(wanted, this.#chosen);
  }

  /**
   * @param {DeviceKind} kind
   * @param {string | null} id
   */
  choose(kind, id) {
    const chosen = this.#last.then(() => this.#choose(kind, id));
    this.#last = chosen.catch(() => undefined);
    return chosen;
  }

  /** @param {HTMLMediaElement} player */
  async play(player) {
    this.#players.add(player);
    if (this.#chosen.speaker) await player.setSinkId(this.#chosen.speaker);
  }

  async askForSpeaker() {
    // Only Firefox has it: there it is the one way to others than the system's own.
    const { selectAudioOutput } = /** @type {any} */ (navigator.mediaDevices);
    if (!selectAudioOutput) return false;
    const { deviceId } = await selectAudioOutput.call(navigator.mediaDevices);
    await this.choose("speaker", deviceId);
    return true;
  }

  shareScreen() {
    return this.#screen.share();
  }

  stopSharing() {
    return this.#screen.stop();
  }

  close() {
    this.#listening.abort();
    this.#players.clear();
  }

  /**
   * @param {DeviceKind} kind
   * @param {string | null} id
   */
  async #choose(kind, id) {
    if (kind === "speaker") await Promise.all([...this.#players].map((player) => player.setSinkId(id ?? "")));
    else await this.#replace(kind === "microphone" ? "audio" : "video", id);
    this.#chosen = Object.freeze({ ...this.#chosen, [kind]: id });
    this.#tell("chosen");
  }

  /**
   * Send, and show, another device than the one that is open; what is off stays off.
   *
   * @param {"audio" | "video"} kind
   * @param {string | null} id
   */
  async #replace(kind, id) {
    const { stream } = this;
    const callId = ongoing(this.#client);
    const old = stream?.getTracks().find((track) => track.kind === kind && track.readyState === "live");
    if (!old) return;
    const { track, error } = await openInsteadOf(old, id);
    muteLike(old, track);
    await orGiveBack(track, async () => {
      if (this.stream !== stream || ongoing(this.#client) !== callId) throw tooLate();
      // What rings is answered with `stream`.
      if (callId !== null && !rings(this.#client)) await this.#client.replaceTrack(kind, track, callId);
    });
    // Who was muted meanwhile, by whatever means.
    muteLike(old, track);
    this.#drop(kind, track);
    if (error) throw error;
  }

  /**
   * @param {string} callId
   * @param {MediaStreamTrack} old the camera before
   */
  async #switchOn(callId, old) {
    const { stream } = this;
    const [track] = (await this.open({ audio: false, video: true })).getTracks();
    muteLike(old, track);
    await orGiveBack(track, async () => {
      if (this.stream !== stream) throw tooLate();
      await this.#client.replaceTrack("video", track, callId);
    });
    this.#drop("video", track);
  }

  /**
   * Stop what is open of a kind, and hold another track of it, or none, in a stream of its own: a video element shows no track
   * that it was not given with its stream.
   *
   * @param {string} kind
   * @param {MediaStreamTrack | null} [track]
   * @returns {MediaStreamTrack | undefined} what was open
   */
  #drop(kind, track) {
    const tracks = this.stream?.getTracks() ?? [];
    const [dropped, others] = [true, false].map((is) => tracks.filter((it) => (it.kind === kind) === is));
    for (const it of dropped) it.stop();
    this.stream = new MediaStream(track ? [...others, track] : others);
    this.#tell("stream");
    return dropped[0];
  }

  /** @param {string} type */
  #tell(type) {
    this.dispatchEvent(new Event(type));
  }
}

/**
 * @param {MediaStreamTrack} old
 * @param {MediaStreamTrack | null} track which takes its place
 */
function muteLike(old, track) {
  if (track) track.enabled = old.enabled;
}

function tooLate() {
  return new DOMException("It came too late.", "AbortError");
}
