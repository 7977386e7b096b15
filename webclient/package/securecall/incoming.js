/**
 * Whether a call that comes in rings: also during another one, of the same peer or at the same moment.
 *
 * @typedef {import("./calls.js").Calls} Calls
 * @typedef {import("./call/surroundings.js").Surroundings} Surroundings
 */

import { Call } from "./call/call.js";
import { isPeerThere } from "./call/presence.js";
import { readDescription } from "./description.js";
import { ERROR_SENTENCES, SecureCallError } from "./errors.js";
import { isCallId, isClientId } from "./ids.js";

/** What comes in. */
export class Incoming {
  /** @type {{own: Call, call: Call} | null} the peer's call, which will give way to our own that it has met */
  #rival = null;
  #calls;
  #surroundings;

  /**
   * @param {Calls} calls
   * @param {Surroundings} surroundings
   */
  constructor(calls, surroundings) {
    this.#calls = calls;
    this.#surroundings = surroundings;
  }

  /**
   * @param {any} payload of INCOMING_CALL
   * @param {Call | undefined} known the call of this ID
   */
  received(payload, known) {
    const { callId, callerId: peerId } = payload;
    if (!isCallId(callId) || !isClientId(peerId) || typeof payload.sdpOffer !== "string") {
      this.#surroundings.tell("error", new SecureCallError("invalid-call", ERROR_SENTENCES["invalid-call"]));
      return;
    }
    // Placed again, because its caller did not know whether the server still had it.
    if (known && !known.isOver) {
      known.placing.rangAgain();
      return;
    }
    const call = this.#calls.ongoing;
    const incoming = { ...payload, sdpOffer: readDescription(payload.sdpOffer) };
    const made = () => new Call(this.#surroundings, peerId, callId, incoming);
    // One that is over here rings because the server was not told so yet.
    if (known) this.#surroundings.connection.post("CALL_REJECT", { callId }, callId);
    else if (!call) this.#calls.begin(made());
    else if (call.peerId !== peerId) this.#miss(callId, peerId);
    else if (call.status.state === "calling") this.#meet(call, made);
    else this.#renew(call, made());
  }

  /**
   * Whoever calls anew has lost the old call, or given it up: it rings. Where the old one is well, its peer is asked first.
   *
   * @param {Call} old
   * @param {Call} call
   */
  async #renew(old, call) {
    const { callId, peerId } = call;
    const { state } = old.status;
    // Its candidates may come, or its end, before it is known whether it rings.
    this.#calls.keep(call);
    if (state === "connected" && (await isPeerThere(old))) {
      const isWaiting = !call.isOver;
      call.finish("busy", "you", { isQuiet: true });
      if (isWaiting) this.#miss(callId, peerId);
      return;
    }
    if (call.isOver || (this.#calls.ongoing ?? old) !== old) return;
    if (state === "incoming") old.finish("cancelled", "peer", { say: true, isQuiet: true });
    else old.finish("peer-disconnected", "peer", { say: true });
    this.#calls.begin(call);
  }

  /**
   * @param {string} callId
   * @param {string} peerId
   */
  #miss(callId, peerId) {
    this.#rejectBusy(callId);
    this.#surroundings.tell("missedcall", { callId, peerId, at: Date.now() });
  }

  /** @param {string} callId */
  #rejectBusy(callId) {
    this.#surroundings.connection.post("CALL_REJECT", { callId, reason: "busy" }, callId);
  }

  /**
   * Both called each other. Both want to talk, so nobody has to answer: the call with the smaller ID wins on
   * both sides, without another word.
   *
   * @param {Call} own
   * @param {() => Call} made of what came in
   */
  #meet(own, made) {
    const call = made();
    // One that the server has not taken is as if it had never been: the peer could not tell that it lost.
    if (!own.placing.isStanding || own.callId > call.callId) {
      this.#replace(own, call);
      return;
    }
    // The peer ends its own when it hears of ours, which it may never do: until then its own waits.
    this.#calls.keep(call);
    this.#rival = { own, call };
  }

  /**
   * Our own call does not reach the peer: the peer's, if there is one, takes its place.
   *
   * @param {Call} own
   * @returns {boolean} whether there is one
   */
  gaveWay(own) {
    const call = this.#rival?.own === own ? this.#rival.call : null;
    if (!call || call.isOver || own.status.state !== "calling") return false;
    this.#rival = null;
    this.#replace(own, call);
    return true;
  }

  /** The current call changed: one that is answered, or over, has no rival any more. */
  changed() {
    if (!this.#rival || this.#rival.own.status.state === "calling") return;
    this.#rival.call.finish("busy", "you", { say: true, rejectWith: "busy", isQuiet: true });
    this.#rival = null;
  }

  /**
   * @param {Call} own
   * @param {Call} call the peer's, which needs no answer of a person
   */
  #replace(own, call) {
    own.finish("cancelled", "you", { say: true, isQuiet: true });
    this.#calls.begin(call, false);
    // How that goes is told by events.
    call.opening.accept(own.stream).catch(() => undefined);
  }
}
