/**
 * A call as the server knows it: placed, or answered, and again where a server has forgotten it.
 *
 * @typedef {import("./call.js").Call} Call
 * @typedef {import("../../securecall.js").ErrorCode} ErrorCode
 */

import { ERROR_SENTENCES } from "../errors.js";
import { localSdp } from "./signing.js";

// A callee that the server does not find right after both lost it may be on its way back.
const FIND_AGAIN_MS = 2_000;
const FIND_AGAIN_TIMES = 15;
// A caller that lost its server too has come back by then, most of the time.
const RING_AGAIN_MS = 10_000;

/** A call as the server knows it. */
export class Placing {
  /** @type {"unplaced" | "placed" | "forgotten"} */
  #standing = "unplaced";
  /** Whether the client has registered since the call began, perhaps at a server that does not know it. */
  #isElsewhere = false;
  #findings = 0;
  #call;

  /** @param {Call} call */
  constructor(call) {
    this.#call = call;
  }

  /** Whether the offer, or the answer, has been sent. */
  get isPlaced() {
    return this.#standing !== "unplaced";
  }

  /** Whether the server may know of it: not while it refuses it, or was never told. */
  get isStanding() {
    const { callId, surroundings, timers } = this.#call;
    return this.isPlaced && !timers.has("find") && !surroundings.connection.isUnsent("CALL_INITIATE", callId);
  }

  /** Whether the server has no memory of the call: media goes on, but nothing can be mended any more. */
  get isForgotten() {
    return this.#standing === "forgotten";
  }

  forget() {
    this.#standing = "forgotten";
  }

  /** The server listed the call to a page that was loaded anew. */
  listed() {
    this.#standing = "placed";
  }

  /** @param {RTCPeerConnection} rtc with the offer or the answer */
  place(rtc) {
    const [type, payload] = this.#message(rtc);
    this.#call.post(type, payload);
    this.#standing = "placed";
    this.#call.trickle.postEnd();
  }

  /**
   * Registered again.
   *
   * @param {boolean} isListed whether the server says that it knows the call
   */
  online(isListed) {
    this.#isElsewhere = true;
    // A server that came back without its memory does not ring there any more, and does not list the call.
    if (this.#call.status.state === "calling" && this.isPlaced && !isListed) this.#placeAgain();
  }

  /** INCOMING_CALL came again: a server that had forgotten the call has been told of it by the caller. */
  rangAgain() {
    if (this.#call.status.state !== "connecting" || !this.isPlaced) return;
    this.#call.timers.clear("find");
    this.#standing = "placed";
    this.#placeAgain();
  }

  /**
   * The server refused one of the call's messages.
   *
   * @param {ErrorCode} code
   * @param {string | undefined} request
   * @param {boolean} isRepeated
   */
  refused(code, request, isRepeated) {
    const { state } = this.#call.status;
    if (request === "CALL_INITIATE" && state === "calling") this.#notPlaced(code, isRepeated);
    else if (request === "CALL_ACCEPT" && !isRepeated) this.#notAccepted(code);
    else if (request === "ICE_CANDIDATE" && code === "CALL_NOT_FOUND" && state !== "calling") {
      // The server came back without its memory.
      this.forget();
      if (state === "reconnecting") this.#call.mending.noPath();
    }
  }

  /**
   * @param {ErrorCode} code
   * @param {boolean} isRepeated
   */
  #notPlaced(code, isRepeated) {
    if (code === "TARGET_NOT_FOUND" && isRepeated && this.#findings < FIND_AGAIN_TIMES) {
      this.#findings += 1;
      this.#call.timers.after("find", FIND_AGAIN_MS, () => this.#placeAgain());
    } else if (code === "TARGET_NOT_FOUND") {
      this.#call.finish("not-connected", "server");
    } else if (!(code === "INVALID_MESSAGE" && isRepeated)) {
      // Repeated, it says that the callId is known: it rings there still.
      this.#call.fault(code, ERROR_SENTENCES[code] ?? code, "CALL_INITIATE");
      this.#call.finish("failed", "server");
    }
  }

  /** @param {ErrorCode} code */
  #notAccepted(code) {
    const gone = () => this.#call.finish("gone", "peer");
    // The caller may be on its way to the server that does not know the call.
    if (code === "CALL_NOT_FOUND" && this.#isElsewhere) this.#call.timers.after("find", RING_AGAIN_MS, gone);
    else gone();
  }

  #placeAgain() {
    const { rtc, callId, surroundings } = this.#call;
    if (rtc) surroundings.connection.postAgain(...this.#message(rtc), callId);
  }

  /**
   * @param {RTCPeerConnection} rtc
   * @returns {[string, () => Record<string, unknown>]} a payload with the candidates that are gathered when it is sent
   */
  #message(rtc) {
    const { role, callId, peerId: targetId } = this.#call;
    if (role === "caller") return ["CALL_INITIATE", () => ({ targetId, sdpOffer: localSdp(this.#call, rtc), callId })];
    return ["CALL_ACCEPT", () => ({ callId, sdpAnswer: localSdp(this.#call, rtc) })];
  }
}
