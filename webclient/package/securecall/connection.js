/**
 * The connection to the server: stays registered, and gets messages across.
 *
 * @typedef {import("../securecall.js").SignalingStatus} SignalingStatus
 * @typedef {import("../securecall.js").ErrorCode} ErrorCode
 * @typedef {{code: ErrorCode, message?: string, request?: string, callId?: string, retryAfterMs?: number, challenge?: string}}
 *   ServerError
 */

import { Exchange } from "./exchange.js";
import { Heartbeats } from "./heartbeats.js";
import { Lines } from "./lines.js";
import { STATES } from "./signaling-states.js";
import { bounded } from "./timers.js";
import { watchDevice } from "./watch.js";

// However short, or odd, the server says that it is.
const LEAST_REPEAT_MS = 1_000;

/** Stays registered, and gets messages across. */
export class Connection {
  /** @type {{challenge: string, signature: string} | undefined} with what the last REGISTER proved whose the ID is */
  proof;
  #timers;
  #listener;
  #clientId;
  #lines;
  #beats;
  #exchange;
  /** Ends what `start` listens to. */
  #watching = new AbortController();

  /**
   * @param {string} url
   * @param {string} clientId
   * @param {number} heartbeatMs
   * @param {import("./timers.js").Timers} timers
   * @param {{changed: (status: SignalingStatus) => void, isInCall: () => boolean, registered: (payload: any) => void,
   *   received: (type: string, payload: any) => void,
   *   refused: (error: ServerError, isRepeated: boolean) => void}} listener
   */
  constructor(url, clientId, heartbeatMs, timers, listener) {
    this.url = url;
    this.#clientId = clientId;
    this.#timers = timers;
    this.#listener = listener;
    this.#lines = new Lines(url, timers, {
      changed: (status) => listener.changed(status),
      opened: () => this.register(),
      received: (type, payload) => this.#received(type, payload),
      lost: () => this.#lost(),
      ended: (sentence) => this.#ended(sentence),
    });
    this.#beats = new Heartbeats(timers, heartbeatMs, {
      beat: () => this.#lines.current?.send("HEARTBEAT", {}),
      died: () => this.#lines.giveUp(),
    });
    this.#exchange = new Exchange(timers, this.#beats, (...refused) => listener.refused(...refused));
  }

  get status() {
    return this.#lines.status;
  }

  get isOnline() {
    return this.status.state === "online";
  }

  /** @type {Exchange["post"]} */
  post = (...message) => this.#exchange.post(...message);

  /** @type {Exchange["postAgain"]} */
  postAgain = (...message) => this.#exchange.postAgain(...message);

  /** @type {Exchange["ask"]} */
  ask = (...question) => this.#exchange.ask(...question);

  /** @type {Exchange["isUnsent"]} */
  isUnsent = (...message) => this.#exchange.isUnsent(...message);

  /** @type {Exchange["forget"]} */
  forget = (callId) => this.#exchange.forget(callId);

  start() {
    if (STATES[this.status.state].isGoing) return;
    this.#exchange.begin();
    this.#watching = new AbortController();
    watchDevice(this.#timers, this.#watching.signal, {
      stirred: () => this.retryNow(),
      frozen: () => this.#lines.freeze(this.#listener.isInCall()),
    });
    this.#lines.retries.reset();
    this.#lines.open(0);
  }

  /**
   * Leave deliberately; ends the client's calls at the server.
   *
   * @param {string} [sentence]
   */
  stop(sentence) {
    this.#lines.stop(sentence);
  }

  /** @param {Connection["proof"]} [proof] for an ID that belongs to a key */
  register(proof) {
    this.proof = proof;
    this.#lines.current?.send("REGISTER", { clientId: this.#clientId, ...proof });
  }

  /** The network may have changed: connect now, or find out whether the connection survived. */
  retryNow() {
    if (this.status.state === "waiting") this.#lines.open(this.status.attempts);
    else if (this.isOnline) this.#beats.probe();
  }

  /**
   * Look often whether the line lives: while a call rings, is placed, or has lost its way.
   *
   * @param {boolean} isWatchedClosely
   */
  watchClosely(isWatchedClosely) {
    this.#beats.watch(isWatchedClosely, this.isOnline);
  }

  #lost() {
    this.#exchange.lost();
    this.#beats.stop();
  }

  /** @param {string} sentence */
  #ended(sentence) {
    this.#watching.abort();
    this.#exchange.end(sentence);
  }

  /**
   * @param {string} type
   * @param {any} payload
   */
  #received(type, payload) {
    if (type === "REGISTERED") this.#registered(payload);
    else if (type === "HEARTBEAT_ACK") this.#heard();
    else if (type === "ERROR") this.#refused(payload);
    else if (!this.#exchange.received(type, payload)) this.#listener.received(type, payload);
  }

  /** @param {any} payload */
  #registered(payload) {
    const line = this.#lines.current;
    if (this.isOnline || !line) return;
    const waiting = this.#exchange.registered(line);
    this.#lines.registered();
    this.#beats.beatLater();
    this.#listener.registered(payload);
    this.#exchange.sendWaiting(waiting);
  }

  #heard() {
    this.#lines.retries.reset();
    this.#beats.heard();
    this.#exchange.arrived();
  }

  /** @param {ServerError} error */
  #refused(error) {
    const { code, request, retryAfterMs } = error;
    const delayMs = bounded(retryAfterMs, LEAST_REPEAT_MS, LEAST_REPEAT_MS);
    const isAboutConnection = code === "RATE_LIMITED" && [undefined, "REGISTER"].includes(request);
    // Too many, but it came: the line lives.
    if (request === "HEARTBEAT") this.#heard();
    else if (!isAboutConnection) this.#exchange.refused(error, delayMs);
    // Refused before anything was asked: too many connections from here, and a close follows.
    else if (request === undefined) this.#lines.retries.pause(delayMs);
    else this.#registerLater(delayMs);
  }

  /** @param {number} delayMs */
  #registerLater(delayMs) {
    const line = this.#lines.current;
    this.#timers.after(delayMs, () => {
      if (line === this.#lines.current) this.register();
    });
  }
}
