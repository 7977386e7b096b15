/**
 * What each side sends at the moment, as the other one shows it: told over the control channel whenever it changes.
 *
 * @typedef {import("./call.js").Call} Call
 * @typedef {import("../../securecall.js").PeerState} PeerState
 */

import { peerStateSentence } from "../sentences.js";
import { isScreen } from "./tracks.js";

const STATES = { audio: ["on", "off", "none"], video: ["on", "screen", "off", "none"] };

/** What the two sides of a call show each other. */
export class Shown {
  /** @type {PeerState} */
  peer;
  /** @type {Set<MediaStreamTrack>} what the browser is about to send in place of something else */
  coming = new Set();
  /** What the peer was told last. */
  #told = "";
  /** Whether the peer's camera was on: a call without one has none that is off. */
  #hadCamera = false;
  #call;

  /** @param {Call} call */
  constructor(call) {
    const { callId, peerId } = call;
    this.#call = call;
    this.peer = Object.freeze({ callId, peerId, audio: null, video: null, takesData: false, sentence: "" });
  }

  /** There is a new control channel. */
  opened() {
    this.#told = "";
    this.tell();
  }

  /** The data channel is open. */
  takesData() {
    this.#change({ takesData: true });
  }

  /** Tell the peer what is sent now, if that is news. */
  tell() {
    const [audio, video] = ["audio", "video"].map((kind) => stateOf(this.#sent(kind)));
    const message = { type: "media", audio, video };
    const text = JSON.stringify(message);
    if (text !== this.#told && this.#call.control.send(message)) this.#told = text;
  }

  /** @param {any} message of the peer */
  received({ audio, video }) {
    this.#change({ audio: known("audio", audio), video: known("video", video) });
  }

  /**
   * Send silence, or black pictures, in place of a kind of media, or what it is.
   *
   * @param {"audio" | "video"} kind
   * @param {boolean} isMuted
   */
  setMuted(kind, isMuted) {
    // Before there is a peer connection, what will be sent.
    const given = this.#call.stream?.getTracks() ?? [];
    for (const track of [...this.#sent(kind), ...this.coming, ...given]) if (track.kind === kind) track.enabled = !isMuted;
    this.tell();
  }

  /**
   * @param {string} kind
   * @returns {MediaStreamTrack[]} what is sent of it, also what is muted or has ended
   */
  #sent(kind) {
    return this.#call.rtc?.getSenders().flatMap(({ track }) => (track?.kind === kind ? [track] : [])) ?? [];
  }

  /** @param {Partial<PeerState>} more */
  #change(more) {
    const peer = { ...this.peer, ...more };
    if (["audio", "video", "takesData"].every((key) => Reflect.get(peer, key) === Reflect.get(this.peer, key))) return;
    this.#hadCamera ||= peer.video === "on";
    this.peer = Object.freeze({ ...peer, sentence: peerStateSentence(peer, this.#hadCamera) });
    this.#call.surroundings.tell("peerstate", this.peer);
  }
}

/**
 * @param {"audio" | "video"} kind
 * @param {any} state as it came
 */
function known(kind, state) {
  return STATES[kind].includes(state) ? state : null;
}

/** @param {MediaStreamTrack[]} tracks of one kind */
function stateOf(tracks) {
  const live = tracks.filter(({ readyState }) => readyState === "live");
  const sent = live.find(({ enabled }) => enabled);
  if (!sent) return live.length ? "off" : "none";
  return isScreen(sent) ? "screen" : "on";
}
