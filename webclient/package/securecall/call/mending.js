/**
 * Whether there is a way to the peer, and what is done when it breaks.
 *
 * @typedef {import("./call.js").Call} Call
 */

const CONNECT_MS = 30_000;
// As long as the server holds a call (30 s), and the longest wait for a connection to it, nearly.
const MEND_MS = 45_000;
const RESTART_EVERY_MS = 8_000;
// "disconnected" often mends by itself. The callee waits longer, so that offers seldom meet.
const RESTART_AFTER_MS = { caller: 1_000, callee: 2_500 };
// RFC 8656 and 8489: the credentials were not taken.
const CREDENTIAL_ERRORS = [401, 403, 438, 441];

/** A call's way to its peer. */
export class Mending {
  #isRelayRefused = false;
  #call;

  /** @param {Call} call */
  constructor(call) {
    this.#call = call;
  }

  /** The call was answered: a way has to be found in time. */
  start() {
    this.#call.timers.after("connect", CONNECT_MS, () => this.noPath());
  }

  /** @param {RTCPeerConnection} rtc */
  connectionChanged(rtc) {
    const { connectionState } = rtc;
    if (connectionState === "connected") this.#connected();
    else if (connectionState !== "disconnected" && connectionState !== "failed") return;
    else if (this.broke()) {
      this.#restart(connectionState === "failed" ? 0 : RESTART_AFTER_MS[this.#call.role]);
    } else if (connectionState === "failed") {
      if (this.#call.peer?.negotiates && !this.#call.placing.isForgotten) this.#restart(0);
      else this.noPath();
    }
  }

  /** The way is lost: another one has to be found in time. */
  broke() {
    const isNews = this.#call.change("BROKE");
    if (isNews) this.expect();
    return isNews;
  }

  /** Give up unless there is a way before long. */
  expect() {
    this.#call.timers.after("deadline", MEND_MS, () => this.noPath());
  }

  /** There is a server: try at once, if there is no way, and negotiate what could not be meanwhile. */
  now() {
    if (this.#call.status.state === "reconnecting") this.#restart(0);
    else this.#call.negotiation.catchUp();
  }

  /** @param {RTCPeerConnectionIceErrorEvent} event */
  noteRelay({ errorCode, url }) {
    if (!CREDENTIAL_ERRORS.includes(errorCode) || this.#isRelayRefused) return;
    this.#isRelayRefused = true;
    const sentence = "The relay server refused the credentials of the signaling server. Its operator can mend that.";
    this.#call.fault("relay-refused", sentence, url);
  }

  /** End the call: no way was found. */
  noPath() {
    const words = this.#isRelayRefused
      ? `No way to ${this.#call.peerId} was found: the relay server refused the credentials. Its operator can mend that.`
      : undefined;
    this.#call.finish("media-failed", "you", { say: true, words });
  }

  #connected() {
    const { timers, status, link, negotiation } = this.#call;
    timers.clear("connect", "deadline", "find", "restart");
    if (!this.#call.change("CONNECTED", { connectedAt: status.connectedAt ?? Date.now() })) return;
    link.keepCredentials();
    negotiation.catchUp();
  }

  /** @param {number} delayMs */
  #restart(delayMs) {
    this.#call.timers.after("restart", delayMs, () => {
      this.#call.negotiation.restartIce();
      this.#restart(RESTART_EVERY_MS);
    });
  }
}
