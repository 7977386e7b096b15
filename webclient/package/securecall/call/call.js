/**
 * One call, from its first ring to its end: its state, and its steps in their order. `states.js` has the table; each part
 * beside it does one thing: `opening` the first offer and answer, `placing` what the server is told, `trickle` candidates, `negotiation` later offers, `mending`
 * a way that breaks, `resuming` a page that is loaded anew, `link` the peer connection, `control` the hang-up on the media's way, `shown` what is muted, `data`
 * the application's messages, `signing` the keys, `tracks`.
 *
 * @typedef {import("../../securecall.js").CallStatus} CallStatus
 * @typedef {import("../../securecall.js").EndReason} EndReason
 * @typedef {import("./surroundings.js").Surroundings} Surroundings
 */

import { SecureCallError } from "../errors.js";
import { CALL_SENTENCES, END_SENTENCES } from "../sentences.js";
import { Control } from "./control.js";
import { Data } from "./data.js";
import { SAID_REASONS } from "./ends.js";
import { Link } from "./link.js";
import { Mending } from "./mending.js";
import { NamedTimers } from "./named-timers.js";
import { Negotiation } from "./negotiation.js";
import { Opening } from "./opening.js";
import { Placing } from "./placing.js";
import { Resumption } from "./resuming.js";
import { Shown } from "./shown.js";
import { verify } from "./signing.js";
import { firstStatus, following } from "./states.js";
import { Steps } from "./steps.js";
import { Trickle } from "./trickle.js";

// Longer than the server lets it ring (60 s), and answers by then.
const RING_MS = 75_000;

/** One call, from its first ring to its end. */
export class Call {
  /** @type {CallStatus} */
  status;
  /** @type {MediaStream | null} */
  stream = null;
  remoteStream = new MediaStream();
  /** @type {import("../../securecall.js").PathStatus | null} */
  path = null;
  /** @type {import("../../securecall.js").Verification | null} */
  verification = null;
  /** @type {Promise<import("../../securecall.js").PeerKey | null>} */
  peerKey;
  /** @type {{fingerprints: string | null, negotiates: boolean, resumes: boolean, takesData: boolean} | null} null until the browser has the peer's description */
  peer = null;
  control = new Control(this);
  data = new Data(this);
  link = new Link(this);
  mending = new Mending(this);
  negotiation = new Negotiation(this);
  opening = new Opening(this);
  placing = new Placing(this);
  resumption = new Resumption(this);
  trickle = new Trickle(this);
  /** @type {string[]} the lines that this side adds to its descriptions */
  attributes = [];
  #steps = new Steps((error) => this.#failed(error));

  /**
   * @param {Surroundings} surroundings
   * @param {string} peerId
   * @param {string} callId
   * @param {any} [incoming] the payload of INCOMING_CALL
   * @param {import("../kept.js").Kept} [kept] by the page before this one
   */
  constructor(surroundings, peerId, callId, incoming, kept) {
    this.surroundings = surroundings;
    this.incoming = incoming;
    this.clientId = surroundings.clientId;
    this.timers = new NamedTimers(surroundings.timers);
    this.status = kept ? { ...kept.status, state: "reconnecting" } : firstStatus(callId, peerId, incoming?.sdpOffer);
    this.shown = new Shown(this);
    this.peerKey = surroundings.keys.judge(peerId).catch(() => null);
  }

  get callId() {
    return this.status.callId;
  }

  get peerId() {
    return this.status.peerId;
  }

  get role() {
    return this.status.role;
  }

  get rtc() {
    return this.link.rtc;
  }

  get isOver() {
    return this.status.state === "ended";
  }

  /**
   * Begin: the caller's `opening.place` follows, the callee's `opening.accept`, or `resumption.begin`.
   *
   * @param {boolean} [rings] whether anybody has to be told
   */
  announce(rings = true) {
    const isTakenUp = this.status.state === "reconnecting";
    if (rings) this.#show(this.status.state, isTakenUp ? { sentence: CALL_SENTENCES.resuming(this.peerId) } : {});
    this.peerKey.then((peerKey) => peerKey && !this.isOver && this.surroundings.judged(peerKey));
    if (isTakenUp) return;
    const silent = this.role === "caller" ? "peer" : "you";
    this.timers.after("ring", RING_MS, () => this.finish("no-answer", silent, { say: true }));
    if (this.role === "callee") this.step(() => verify(this, this.incoming.sdpOffer));
  }

  /**
   * Registered, perhaps again.
   *
   * @param {boolean} isListed whether the server says that it knows the call
   */
  online(isListed) {
    this.placing.online(isListed);
    this.mending.now();
  }

  /**
   * @param {EndReason} reason
   * @param {"you" | "peer" | "server"} endedBy
   * @param {{say?: boolean, peerReason?: string, words?: string, rejectWith?: string, isQuiet?: boolean}} [how] `say`:
   *   tell the peer; `isQuiet`: not the application
   */
  finish(reason, endedBy, { say = false, peerReason, words, rejectWith, isQuiet = false } = {}) {
    if (this.isOver) return;
    const isIncoming = this.status.state === "incoming";
    this.timers.stop();
    this.surroundings.connection.forget(this.callId);
    const given = rejectWith ?? (SAID_REASONS.includes(reason) ? reason : undefined);
    // One that was never placed is unknown to the server.
    if (say && (this.role === "callee" || this.placing.isPlaced)) {
      this.post(isIncoming ? "CALL_REJECT" : "CALL_END", { callId: this.callId, ...(given && { reason: given }) });
    }
    this.link.close(say ? given ?? "" : null);
    this.path = null;
    const sentence = words ?? END_SENTENCES[reason](this.peerId, endedBy, this.role);
    this.change("FINISHED", { sentence, reason, endedBy, ...(peerReason && { peerReason }) }, isQuiet);
    this.#steps.stop();
    this.data.look();
  }

  /**
   * @param {import("./states.js").Event} event
   * @param {Partial<CallStatus>} [more]
   * @param {boolean} [isQuiet]
   * @returns {boolean} whether the event means anything in this state
   */
  change(event, more, isQuiet) {
    const state = following(this.status.state, event);
    if (state) this.#show(state, more, isQuiet);
    return state !== undefined;
  }

  /** @param {() => Promise<void>} run */
  step(run) {
    return this.#steps.add(run);
  }

  /**
   * @param {string} type
   * @param {Record<string, unknown> | (() => Record<string, unknown>)} payload
   */
  post(type, payload) {
    this.surroundings.connection.post(type, payload, this.callId);
  }

  /**
   * @param {import("../../securecall.js").ErrorCode} code
   * @param {string} sentence
   * @param {string} [request]
   */
  fault(code, sentence, request) {
    this.surroundings.tell("error", new SecureCallError(code, sentence, { request, callId: this.callId }));
  }

  /** @param {unknown} error */
  #failed(error) {
    // Closed while it was at work.
    if (this.isOver) return;
    this.fault("media", `The browser could not do what the call needs: ${error instanceof Error ? error.message : error}`);
    // What was agreed on before a negotiation that failed goes on.
    if (this.status.connectedAt === null) this.finish("failed", "you", { say: true });
  }

  /**
   * @param {CallStatus["state"]} state
   * @param {Partial<CallStatus>} [more]
   * @param {boolean} [isQuiet]
   */
  #show(state, more = {}, isQuiet = false) {
    const sentence = CALL_SENTENCES[state]?.(this.peerId) ?? "";
    this.status = Object.freeze({ ...this.status, state, sentence, since: Date.now(), ...more });
    if (!isQuiet) this.surroundings.tell("call", this.status);
  }
}
