/**
 * The calls of a client: the one that stands, those that are over, and what comes for them. Loaded beside the first connection.
 *
 * @typedef {import("./call/surroundings.js").Surroundings} Surroundings
 * @typedef {import("../securecall.js").ErrorCode} ErrorCode
 */

import { base64url } from "./bytes.js";
import { Call } from "./call/call.js";
import { received } from "./call/messages.js";
import { replaceTrack } from "./call/replacing.js";
import { keptOf } from "./call/resuming.js";
import { waitsForServer } from "./call/states.js";
import { ERROR_SENTENCES, NO_CALL_TO_SEND_IN, SecureCallError } from "./errors.js";
import { Incoming } from "./incoming.js";
import { keep, readKept } from "./kept.js";

// To know what still comes for calls that are over.
const MOST_CALLS = 32;

/** The calls of a client. */
export class Calls {
  /** @type {Call | null} the newest, also when it is over */
  current = null;
  /** @type {Map<string, Call>} */
  #known = new Map();
  #incoming;
  #place;
  #surroundings;

  /** @param {Surroundings} surroundings */
  constructor(surroundings) {
    this.#surroundings = surroundings;
    this.#place = `securecall ${surroundings.connection.url} ${surroundings.clientId}`;
    this.#incoming = new Incoming(this, surroundings);
  }

  /** The call that is not over, if there is one. */
  get ongoing() {
    return this.current?.isOver ? null : this.current;
  }

  // - The application's -

  /**
   * @param {string} targetId
   * @param {MediaStream | null} stream
   */
  async place(targetId, stream) {
    if (this.ongoing) throw new SecureCallError("busy", "You are in a call already. Hang up first.");
    const callId = base64url(crypto.getRandomValues(new Uint8Array(16)).buffer);
    await this.begin(new Call(this.#surroundings, targetId, callId)).opening.place(stream);
    return callId;
  }

  /**
   * @param {MediaStream | null} stream
   * @param {string | undefined} callId
   */
  async accept(stream, callId) {
    const call = this.#meant(callId);
    if (call?.status.state !== "incoming") throw this.#noCall(callId, "Nobody is calling.");
    await call.opening.accept(stream);
  }

  /** @type {import("../securecall.js").SecureCall["reject"]} */
  reject(reason, callId) {
    const call = this.#meant(callId);
    if (call?.status.state !== "incoming") return;
    call.finish("rejected", "you", { say: true, rejectWith: reason?.slice(0, 64) });
  }

  /** @param {string | undefined} callId */
  hangUp(callId) {
    const call = this.#meant(callId);
    if (!call) return;
    const { state } = call.status;
    if (state === "incoming") this.reject(undefined, callId);
    else call.finish(state === "calling" ? "cancelled" : "hung-up", "you", { say: true });
  }

  /** @type {import("../securecall.js").SecureCall["replaceTrack"]} */
  async replaceTrack(kind, track, callId) {
    await replaceTrack(this.sending(callId), kind, track);
    this.changed();
  }

  /** @param {string | undefined} callId of the call to send something in */
  sending(callId) {
    const call = this.#meant(callId);
    if (!call) throw this.#noCall(callId, NO_CALL_TO_SEND_IN);
    return call;
  }

  // - The server's -

  /** @param {{callId: string, role: string, state: string}[]} standing the calls of REGISTERED */
  registered(standing) {
    this.current?.online(standing.some(({ callId }) => callId === this.current?.callId));
    for (const { callId, role, state } of standing) {
      // One that rings here can still be answered.
      const canBeAnswered = role === "callee" && state === "ringing";
      if (this.#known.has(callId) || canBeAnswered || (state === "active" && this.#takeUp(callId))) continue;
      // Its media went with the page that it was in before.
      this.#surroundings.connection.post("CALL_END", { callId, ...(state === "active" && { reason: "superseded" }) }, callId);
    }
  }

  /**
   * @param {string} type
   * @param {any} payload
   */
  received(type, payload) {
    const call = this.#known.get(payload.callId);
    if (type === "INCOMING_CALL") this.#incoming.received(payload, call);
    else if (!call) return;
    // It waits to ring.
    else if (!call.isOver && call !== this.current && type !== "ICE_CANDIDATE") call.finish("cancelled", "peer", { isQuiet: true });
    else if (type === "CALL_REJECTED" && payload.reason === "busy" && this.#incoming.gaveWay(call)) return;
    else received(call, type, payload);
  }

  /**
   * @param {{code: ErrorCode, request?: string, callId?: string}} error
   * @param {boolean} isRepeated
   */
  refused({ code, request, callId }, isRepeated) {
    const call = callId === undefined ? undefined : this.#known.get(callId);
    if (call) {
      const isLost = request === "CALL_INITIATE" && code === "TARGET_NOT_FOUND" && this.#incoming.gaveWay(call);
      if (!call.isOver && !isLost) call.placing.refused(code, request, isRepeated);
      // Otherwise an end that arrived twice, or after the peer's.
    } else if (code !== "CALL_NOT_FOUND") this.#surroundings.tell("error", new SecureCallError(code, ERROR_SENTENCES[code] ?? code, { request, callId }));
  }

  // - Ours -

  /**
   * @param {Call} call
   * @param {boolean} [rings]
   */
  begin(call, rings = true) {
    this.current = call;
    this.#surroundings.began();
    this.keep(call);
    call.announce(rings);
    return call;
  }

  /** @param {Call} call whose messages are for it from now on, also when it is over */
  keep(call) {
    this.#known.set(call.callId, call);
    if (this.#known.size > MOST_CALLS) this.#known.delete(this.#known.keys().next().value ?? "");
  }

  /** The current call changed. */
  changed() {
    const call = this.ongoing;
    const kept = call && keptOf(call);
    this.#surroundings.connection.watchClosely(waitsForServer(call?.status.state));
    if (kept || !call) keep(this.#place, kept);
    this.#incoming.changed();
  }

  /**
   * Go on with a call of this page before it was loaded anew.
   *
   * @param {string} callId
   * @returns {boolean} whether it is one
   */
  #takeUp(callId) {
    const before = readKept(this.#place);
    if (before?.status.callId !== callId || !this.#surroundings.options.resume || this.ongoing) return false;
    const kept = { ...before, generation: before.generation + 1 };
    keep(this.#place, kept);
    this.begin(new Call(this.#surroundings, kept.status.peerId, callId, undefined, kept)).resumption.begin(kept);
    return true;
  }

  /**
   * The call that is not over, if it is the one that an act was meant for: while the browser asked for a microphone,
   * that one may have ended and another one come in.
   *
   * @param {string | undefined} callId undefined: whichever there is
   */
  #meant(callId) {
    return callId === undefined || callId === this.current?.callId ? this.ongoing : null;
  }

  /**
   * @param {string | undefined} callId
   * @param {string} sentence unless it is known how that call ended
   */
  #noCall(callId, sentence) {
    const past = callId === undefined ? undefined : this.#known.get(callId);
    return new SecureCallError("no-call", past?.isOver ? past.status.sentence : sentence, { callId });
  }
}
