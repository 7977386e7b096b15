/**
 * The connection to the server: stays registered, and gets messages across.
 *
 * @typedef {import("../securecall.js").SignalingStatus} SignalingStatus
 * @typedef {import("../securecall.js").ErrorCode} ErrorCode
 * @typedef {import("./outbox.js").Outgoing} Outgoing
 * @typedef {import("./timers.js").Timers} Timers
 * @typedef {{code: ErrorCode, message?: string, request?: string, callId?: string, retryAfterMs?: number, challenge?: string}}
 *   ServerError
 */

import { SecureCallError, refusal } from "./errors.js";
import { Outbox } from "./outbox.js";
import { refusalOf } from "./refusal.js";
import { bounded } from "./timers.js";
import { watchDevice } from "./watch.js";

// The protocol's: reconnecting after 1 to 30 s, and not when another connection has the ID.
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 30_000;
const SUPERSEDED = 4409;
// A connection that we give up. Not 1000, which would end the calls at the server, or 1001, which would hold them briefly.
const GIVEN_UP = 4408;
const NORMAL = 1000;

const HEARTBEAT_ANSWER_MS = 10_000;
// Asked when something happened to the network: whoever waits at the screen should not wait long.
const PROBE_ANSWER_MS = 3_000;
// While somebody waits for an answer: with `PROBE_ANSWER_MS`, a line that is dead is found within 5 s.
const PROBE_EVERY_MS = 2_000;
const REGISTER_MS = 15_000;
const REQUEST_MS = 10_000;
// However short, or odd, the server says that it is.
const LEAST_REPEAT_MS = 1_000;

/**
 * How long to wait before attempt number `attempt`, counted from 0: random, so that clients that lost the same server
 * do not all come back at once, between 1 s and a bound that doubles up to 30 s.
 *
 * @param {number} attempt
 */
function retryDelayMs(attempt) {
  const bound = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (attempt + 1));
  return FIRST_RETRY_MS + Math.random() * (bound - FIRST_RETRY_MS);
}

/** Stays registered, and gets messages across. */
export class Connection {
  /** @type {SignalingStatus} */
  status = Object.freeze({ state: "idle", sentence: "Not connected to the server.", attempts: 0 });
  /** @type {WebSocket | null} */
  #socket = null;
  #outbox = new Outbox();
  #heartbeatsSent = 0;
  #heartbeatsAnswered = 0;
  // Grows with every attempt, and only a connection that lives takes it back: a server that accepts and drops its
  // clients is left alone like one that is away.
  #step = 0;
  #pauseMs = 0;
  #timers;
  #heartbeatTimer = 0;
  #answerTimer = 0;
  #answerDueAt = 0;
  #retryTimer = 0;
  #registerTimer = 0;
  #listener;
  #clientId;
  #heartbeatMs;
  #isWatchedClosely = false;
  /** @type {{challenge: string, signature: string} | undefined} with what the last REGISTER proved whose the ID is */
  proof;
  /** Whether the server has taken a connection of this page: then it refuses none for where the page came from. */
  #isTaken = false;
  /** Ends what `start` listens to. */
  #watching = new AbortController();

  /**
   * @param {string} url
   * @param {string} clientId
   * @param {number} heartbeatMs
   * @param {Timers} timers
   * @param {{changed: (status: SignalingStatus) => void, isInCall: () => boolean, registered: (payload: any) => void,
   *   received: (type: string, payload: any) => void,
   *   refused: (error: ServerError, isRepeated: boolean) => void}} listener
   */
  constructor(url, clientId, heartbeatMs, timers, listener) {
    this.url = url;
    this.#clientId = clientId;
    this.#heartbeatMs = heartbeatMs;
    this.#timers = timers;
    this.#listener = listener;
  }

  get isOnline() {
    return this.status.state === "online";
  }

  start() {
    if (["connecting", "online", "waiting"].includes(this.status.state)) return;
    this.#step = 0;
    this.#watching = new AbortController();
    const { signal } = this.#watching;
    watchDevice(this.#timers, signal, { stirred: () => this.retryNow(), frozen: () => this.#freeze() });
    this.#open(0);
  }

  /**
   * Leave deliberately; ends the client's calls at the server.
   *
   * @param {string} [sentence]
   */
  stop(sentence = "You left the server.") {
    const socket = this.#detach();
    socket?.close(NORMAL);
    this.#finish({ state: "closed", sentence, attempts: 0 });
  }

  /** @param {Connection["proof"]} [proof] for an ID that belongs to a key */
  register(proof) {
    this.proof = proof;
    this.#transmit("REGISTER", { clientId: this.#clientId, ...proof });
  }

  /** The network may have changed: connect now, or find out whether the connection survived. */
  retryNow() {
    if (this.status.state === "waiting") this.#open(this.status.attempts);
    else if (this.isOnline) this.#beat(PROBE_ANSWER_MS);
  }

  /**
   * Look often whether the line lives: while a call rings, is placed, or has lost its way.
   *
   * @param {boolean} isWatchedClosely
   */
  watchClosely(isWatchedClosely) {
    if (isWatchedClosely === this.#isWatchedClosely) return;
    this.#isWatchedClosely = isWatchedClosely;
    if (!this.isOnline) return;
    if (isWatchedClosely) this.#beat(PROBE_ANSWER_MS);
    else this.#beatLater();
  }

  /**
   * Get a message across, now or later.
   *
   * @param {string} type
   * @param {Record<string, unknown> | (() => Record<string, unknown>)} payload
   * @param {string} [callId]
   */
  post(type, payload, callId) {
    const make = typeof payload === "function" ? payload : () => payload;
    this.#add({ type, payload: make, callId, heartbeat: 0, isSent: false, isRepeated: false });
  }

  /**
   * The same for a message that was sent before, unless it is still on its way.
   *
   * @param {string} type
   * @param {() => Record<string, unknown>} payload
   * @param {string} callId
   */
  postAgain(type, payload, callId) {
    if (this.#outbox.of(type, callId).length) return;
    this.#add({ type, payload, callId, heartbeat: 0, isSent: true, isRepeated: true });
  }

  /**
   * Ask something.
   *
   * @param {string} type
   * @param {Record<string, unknown>} payload
   * @param {string} answerType
   * @param {(payload: any) => boolean} [matches]
   * @returns {Promise<any>} the answer's payload
   * @throws {SecureCallError} The server's refusal, unless it can be tried again in time, or `offline` without an answer in time.
   */
  ask(type, payload, answerType, matches = () => true) {
    return new Promise((resolve, reject) => {
      const answer = { type: answerType, matches, dueAt: performance.now() + REQUEST_MS, resolve, reject };
      /** @type {Outgoing} */
      const message = {
        type, payload: () => payload, callId: undefined, heartbeat: 0, isSent: false, isRepeated: false, answer,
      };
      this.#timers.after(REQUEST_MS, () => {
        if (this.#outbox.remove(message)) {
          reject(new SecureCallError("offline", "The server did not answer.", { request: type }));
        }
      });
      this.#add(message);
    });
  }

  /**
   * Whether a message of a call has never been sent, or was refused and will be sent again.
   *
   * @param {string} type
   * @param {string} callId
   */
  isUnsent(type, callId) {
    return this.#outbox.of(type, callId).some(({ isSent }) => !isSent);
  }

  /**
   * Send no more of a call's messages that have not arrived yet.
   *
   * @param {string} callId
   */
  forget(callId) {
    this.#outbox.forget(callId);
  }

  /** @param {Outgoing} message */
  #add(message) {
    if (["superseded", "closed"].includes(this.status.state)) {
      message.answer?.reject(new SecureCallError("closed", this.status.sentence));
      return;
    }
    this.#outbox.add(message);
    if (this.isOnline) this.#send(message);
  }

  /** @param {Outgoing} message */
  #send(message) {
    message.heartbeat = this.#heartbeatsSent;
    message.isRepeated = message.isSent;
    message.isSent = true;
    this.#transmit(message.type, message.payload());
  }

  /**
   * @param {string} type
   * @param {Record<string, unknown>} payload
   */
  #transmit(type, payload) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ type, payload }));
  }

  /** @param {number} attempts */
  #open(attempts) {
    this.#timers.clear(this.#retryTimer);
    this.#heartbeatsSent = this.#heartbeatsAnswered = 0;
    const socket = new WebSocket(this.url);
    this.#socket = socket;
    this.#registerTimer = this.#timers.after(REGISTER_MS, () => this.#giveUp());
    socket.onopen = () => this.register();
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code }) => this.#closed(code);
    this.#change({ state: "connecting", sentence: "Connecting to the server …", attempts });
  }

  #detach() {
    const socket = this.#socket;
    this.#socket = null;
    for (const timer of [this.#heartbeatTimer, this.#answerTimer, this.#retryTimer, this.#registerTimer]) {
      this.#timers.clear(timer);
    }
    if (socket) socket.onopen = socket.onmessage = socket.onclose = null;
    return socket;
  }

  /** On a network that is gone a close would wait for the peer's: nobody waits for it. */
  #giveUp() {
    this.#detach()?.close(GIVEN_UP, "no answer");
    this.#wait(undefined);
  }

  /** The page is put aside, where it cannot answer: without a call nobody can reach it, as if it had been closed. */
  #freeze() {
    if (!this.#socket) return;
    this.#detach()?.close(this.#listener.isInCall() ? GIVEN_UP : NORMAL);
    this.#wait(undefined);
  }

  /** @param {number} code */
  #closed(code) {
    this.#detach();
    if (code !== SUPERSEDED) {
      this.#wait(code);
      if (!this.#isTaken) this.#explain();
      return;
    }
    const sentence = "You are registered with this name in another window or device now; this one is not connected.";
    this.#finish({ state: "superseded", sentence, attempts: 0, closeCode: code });
  }

  /**
   * Until `start` is called again.
   *
   * @param {SignalingStatus} status
   */
  #finish(status) {
    this.#watching.abort();
    for (const { answer } of this.#outbox.clear()) answer?.reject(new SecureCallError("closed", status.sentence));
    this.#change(status);
  }

  /** @param {number | undefined} closeCode */
  #wait(closeCode) {
    const loss = this.isOnline ? "The connection to the server was lost" : "The server cannot be reached";
    const trouble = navigator.onLine ? loss : "This device has no network";
    const delayMs = Math.max(retryDelayMs(this.#step), this.#pauseMs);
    this.#step += 1;
    this.#pauseMs = 0;
    this.#retryTimer = this.#timers.after(delayMs, () => this.#open(this.status.attempts));
    this.#change({
      state: "waiting",
      sentence: `${trouble}; it is tried again soon.`,
      attempts: this.status.attempts + 1,
      retryAt: Date.now() + delayMs,
      retryInMs: delayMs,
      closeCode,
    });
  }

  /** Browsers do not say why the opening handshake failed. */
  async #explain() {
    const { status } = this;
    const sentence = await refusalOf(this.url);
    if (sentence && this.status === status) this.#change({ ...status, sentence, isRefused: true });
  }

  /** @param {number} answerMs */
  #beat(answerMs) {
    this.#beatLater();
    this.#heartbeatsSent += 1;
    this.#transmit("HEARTBEAT", {});
    const dueAt = performance.now() + answerMs;
    // One that is not answered yet is due when it was.
    if (this.#heartbeatsSent - this.#heartbeatsAnswered > 1 && this.#answerDueAt <= dueAt) return;
    this.#answerDueAt = dueAt;
    this.#timers.clear(this.#answerTimer);
    this.#answerTimer = this.#timers.after(answerMs, () => this.#giveUp());
  }

  #beatLater() {
    const [everyMs, answerMs] = this.#isWatchedClosely
      ? [Math.min(PROBE_EVERY_MS, this.#heartbeatMs), PROBE_ANSWER_MS]
      : [this.#heartbeatMs, HEARTBEAT_ANSWER_MS];
    this.#timers.clear(this.#heartbeatTimer);
    this.#heartbeatTimer = this.#timers.after(everyMs, () => this.#beat(answerMs));
  }

  /** @param {unknown} data */
  #receive(data) {
    let message;
    try {
      message = JSON.parse(String(data));
    } catch {
      // Nothing that this library could do something about.
      return;
    }
    const { type, payload } = message ?? {};
    if (typeof payload !== "object" || payload === null) return;
    this.#isTaken = true;
    if (type === "REGISTERED") this.#registered(payload);
    else if (type === "HEARTBEAT_ACK") this.#heartbeatAnswered();
    else if (type === "ERROR") this.#refused(payload);
    else this.#received(type, payload);
  }

  /** @param {any} payload */
  #registered(payload) {
    if (this.isOnline) return;
    this.#timers.clear(this.#registerTimer);
    // From now on messages are sent at once; these are not.
    const waiting = this.#outbox.messages;
    this.#change({ state: "online", sentence: "Connected to the server.", attempts: 0 });
    this.#beatLater();
    this.#listener.registered(payload);
    for (const message of waiting) if (this.#outbox.has(message)) this.#send(message);
  }

  #heartbeatAnswered() {
    this.#step = 0;
    this.#heartbeatsAnswered += 1;
    if (this.#heartbeatsAnswered === this.#heartbeatsSent) this.#timers.clear(this.#answerTimer);
    // The server reads in order.
    this.#outbox.arrived(this.#heartbeatsAnswered);
  }

  /**
   * @param {string} type
   * @param {any} payload
   */
  #received(type, payload) {
    const asked = this.#outbox.askedFor(type, payload);
    if (asked) {
      this.#outbox.remove(asked);
      asked.answer?.resolve(payload);
    } else {
      this.#listener.received(type, payload);
    }
  }

  /** @param {ServerError} error */
  #refused(error) {
    const { code, request, callId, retryAfterMs } = error;
    if (request === "HEARTBEAT") {
      // Too many, but it came: the line lives.
      this.#heartbeatAnswered();
      return;
    }
    const refused = this.#outbox.refused(request, callId);
    const [first] = refused;
    const delayMs = bounded(retryAfterMs, LEAST_REPEAT_MS, LEAST_REPEAT_MS);
    // What is asked is not tried again when nobody waits for it any more.
    const isTooLate = first?.answer && first.answer.dueAt < performance.now() + delayMs;
    if (code === "RATE_LIMITED" && !isTooLate) {
      this.#repeat(refused, request, delayMs);
      return;
    }
    for (const message of refused) this.#outbox.remove(message);
    if (first?.answer) first.answer.reject(refusal(error, request, callId));
    else this.#listener.refused(error, first?.isRepeated ?? false);
  }

  /**
   * @param {Outgoing[]} messages
   * @param {string | undefined} request
   * @param {number} delayMs
   */
  #repeat(messages, request, delayMs) {
    const socket = this.#socket;
    // Refused before anything was asked: too many connections from here, and a close follows.
    if (request === undefined) this.#pauseMs = delayMs;
    for (const message of messages) Object.assign(message, { heartbeat: Infinity, isSent: false });
    this.#timers.after(delayMs, () => {
      if (socket !== this.#socket) return;
      if (request === "REGISTER") this.register();
      for (const message of messages) {
        if (message.heartbeat === Infinity && this.#outbox.has(message)) this.#send(message);
      }
    });
  }

  /** @param {SignalingStatus} status */
  #change(status) {
    this.status = Object.freeze(status);
    this.#listener.changed(this.status);
  }
}
