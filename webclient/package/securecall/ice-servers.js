/**
 * TURN credentials that are good when they are needed.
 *
 * @typedef {import("./connection.js").Connection} Connection
 */

import { SecureCallError } from "./errors.js";

const EXPIRES_SOON_MS = 60_000;
// Whatever a server says of the time, and however wrong a clock is, on either side.
const ASK_EVERY_MS = 5_000;

/** The servers that the signaling server told of, with credentials that are still good. */
export class IceServers {
  /** @type {RTCIceServer[]} */
  list = [];
  #isKnown = false;
  #expiresAt = Infinity;
  #askedAt = -Infinity;
  #connection;
  #onError;
  /** @type {Set<string>} the addresses that this browser refuses, which are told of once */
  #refused = new Set();

  /**
   * @param {Connection} connection
   * @param {(error: SecureCallError) => void} onError
   */
  constructor(connection, onError) {
    this.#connection = connection;
    this.#onError = onError;
  }

  /** @param {any} iceServers of any message that carries them */
  use(iceServers) {
    if (!Array.isArray(iceServers)) return;
    this.#isKnown = true;
    this.list = iceServers;
    // TURN REST API: the username begins with the time, in unix seconds, at which the credential expires.
    const times = iceServers.map((server) => /^(\d+)(:|$)/.exec(server?.username ?? "")?.[1]).filter(Boolean);
    this.#expiresAt = Math.min(...times.map((time) => Number(time) * 1000));
  }

  /** Whether there is a relay among them; null: the server has not told of any yet. */
  get hasRelay() {
    return this.#isKnown ? this.list.some((server) => [server?.urls].flat().some((url) => /^turns?:/.test(url))) : null;
  }

  /** Ask for new credentials; what there is stays if there is no answer, or was asked for just now. */
  async refresh() {
    const now = performance.now();
    if (this.list.length === 0 || !this.#connection.isOnline || now - this.#askedAt < ASK_EVERY_MS) return;
    this.#askedAt = now;
    try {
      this.use((await this.#connection.ask("TURN_CREDENTIALS", {}, "TURN_CREDENTIALS")).iceServers);
    } catch {
      // An old credential is better than none, and may be good still.
    }
  }

  async refreshIfOld() {
    if (this.#expiresAt - Date.now() < EXPIRES_SOON_MS) await this.refresh();
  }

  /** When to ask again during a call; null when nothing expires. */
  get refreshInMs() {
    const remaining = this.#expiresAt - Date.now();
    if (remaining === Infinity) return null;
    // This device's clock is wrong, or the server's. An ICE restart asks in any case.
    if (remaining <= 0) return EXPIRES_SOON_MS * 10;
    return remaining > 2 * EXPIRES_SOON_MS ? remaining - EXPIRES_SOON_MS : Math.max(ASK_EVERY_MS, remaining / 2);
  }

  /**
   * Give a configuration to the browser, without the servers that it refuses. Firefox throws for all of them because of
   * one `stuns:` address, or of one port that web pages may not use; every browser does because of one that is malformed.
   *
   * @template T
   * @param {RTCConfiguration} configuration
   * @param {(configuration: RTCConfiguration) => T} give
   * @returns {T}
   */
  configure(configuration, give) {
    try {
      return give(configuration);
    } catch {
      return give({ ...configuration, iceServers: this.#taken(configuration.iceServers ?? []) });
    }
  }

  /** @param {RTCIceServer[]} servers */
  #taken(servers) {
    const trial = new RTCPeerConnection();
    const each = servers.flatMap((server) => [server?.urls].flat().map((urls) => ({ ...server, urls: String(urls) })));
    const taken = each.filter((server) => {
      try {
        trial.setConfiguration({ iceServers: [server] });
        return true;
      } catch (error) {
        this.#refuse(server.urls, error);
        return false;
      }
    });
    trial.close();
    return taken;
  }

  /**
   * @param {string} url
   * @param {any} error
   */
  #refuse(url, error) {
    if (this.#refused.has(url)) return;
    this.#refused.add(url);
    const sentence = `This browser refuses the relay server ${url}, so calls do without it: ${error.message}`;
    this.#onError(new SecureCallError("ice-server-refused", sentence));
  }
}
