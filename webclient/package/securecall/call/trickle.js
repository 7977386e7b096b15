/**
 * The candidates of a call, in both directions.
 *
 * @typedef {import("./call.js").Call} Call
 * @typedef {import("../candidates.js").Candidate} Candidate
 */

import { candidateInit, readCandidate } from "../candidates.js";
import { linesWithTransport } from "../description.js";
import { unreadable } from "../errors.js";
import { readSdp } from "../sdp.js";

/** A call's candidates. */
export class Trickle {
  /** @type {Candidate[]} the peer's that came before the description that they belong to */
  #early = [];
  /** @type {RTCIceCandidate[]} what has been gathered so far */
  #candidates = [];
  /** @type {RTCIceCandidate[]} of later m-lines, which are bundled with the first by most answers */
  #held = [];
  /** Whether the peer has told the end of its own candidates. */
  #peerTellsEnd = false;
  #isEndTold = false;
  #isUnreadableTold = false;
  /** Whether ours wait for the description that they belong to. */
  #isHeld;
  #call;

  /**
   * @param {Call} call
   * @param {boolean} [isHeld] until `release`
   */
  constructor(call, isHeld = false) {
    this.#call = call;
    this.#isHeld = isHeld;
  }

  // - Ours -

  /** @param {RTCIceCandidate | null} candidate */
  gathered(candidate) {
    const { isOver, status, placing, rtc } = this.#call;
    if (isOver) return;
    if (candidate?.candidate) this.#candidates.push(candidate);
    else if (candidate === null && this.#candidates.length === 0 && status.connectedAt === null) {
      // Not one candidate: nobody has to wait for that to fail.
      this.#call.mending.noPath();
      return;
    }
    // What is gathered before the description is sent goes with it.
    if (!placing.isPlaced || this.#isHeld || candidate?.candidate === "") return;
    if (candidate === null) this.postEnd();
    else if (isOfFirstLine(candidate)) this.post(candidate.candidate);
    else {
      this.#held.push(candidate);
      if (rtc?.signalingState === "stable") this.postHeld(rtc);
    }
  }

  /** Their description has been sent, with those that were gathered by then. */
  release() {
    this.#isHeld = false;
    this.postEnd();
  }

  /** Forget what was gathered: ICE restarts. */
  restart() {
    this.#candidates = [];
    this.#isEndTold = false;
  }

  /**
   * Send what waited for the answer.
   *
   * @param {RTCPeerConnection} rtc
   */
  answered(rtc) {
    // A client that could not take them while it rang, because it has no queue, has them now.
    if (!this.#call.peer?.negotiates) this.#candidates.filter(isOfFirstLine).forEach((it) => this.post(it.candidate));
    this.postHeld(rtc);
    this.postEnd();
  }

  /**
   * Send the candidates of later m-lines that the answer has not bundled with another one.
   *
   * @param {RTCPeerConnection} rtc which has an answer
   */
  postHeld(rtc) {
    const answer = [rtc.currentLocalDescription, rtc.currentRemoteDescription].find((it) => it?.type === "answer");
    const lines = linesWithTransport(answer?.sdp ?? "");
    for (const candidate of this.#held) {
      // Clients that know only the reference expect a string: its m-line is said where it is not the first.
      if (lines.includes(candidate.sdpMLineIndex ?? 0)) this.post(candidate.toJSON());
    }
    this.#held = [];
  }

  /** Tell the end of the candidates to a peer that takes it: native SDKs read every string as a candidate, and throw. */
  postEnd() {
    const isTaken = this.#call.peer?.negotiates || this.#peerTellsEnd;
    if (!isTaken || this.#isEndTold || this.#call.rtc?.iceGatheringState !== "complete") return;
    this.#isEndTold = true;
    this.post("");
  }

  /** @param {unknown} candidate a line, `""` for the end of them, or an `RTCIceCandidateInit` */
  post(candidate) {
    this.#call.post("ICE_CANDIDATE", { callId: this.#call.callId, candidate });
  }

  // - The peer's -

  /** @param {unknown} given */
  async received(given) {
    const candidate = readCandidate(given);
    if (!candidate) this.#noteUnreadable();
    else if (this.#call.peer) await this.#add(candidate);
    else this.#early.push(candidate);
    if (candidate?.line !== "") return;
    this.#peerTellsEnd = true;
    if (this.#call.placing.isPlaced) this.postEnd();
  }

  /** Add those that came before the peer's description. */
  async settle() {
    const early = this.#early;
    this.#early = [];
    for (const candidate of early) await this.#add(candidate);
  }

  /** Forget those that came before the peer's description. */
  forgetEarly() {
    this.#early = [];
  }

  /** @param {Candidate} candidate */
  async #add(candidate) {
    const { rtc } = this.#call;
    try {
      await rtc?.addIceCandidate(candidateInit(candidate, readSdp(rtc.remoteDescription?.sdp ?? "")));
    } catch {
      // One that the browser does not understand, or of an offer that gave way; others are on their way.
    }
  }

  #noteUnreadable() {
    if (this.#isUnreadableTold) return;
    this.#isUnreadableTold = true;
    this.#call.fault("unreadable-candidate", unreadable(this.#call.peerId), "ICE_CANDIDATE");
  }
}

/** @param {RTCIceCandidate} candidate */
function isOfFirstLine({ sdpMLineIndex }) {
  return !sdpMLineIndex;
}
