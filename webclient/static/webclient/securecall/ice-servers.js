/**
 * TURN credentials that are good when they are needed.
 *
 * @typedef {import("./connection.js").Connection} Connection
 */

const EXPIRES_SOON_MS = 60_000;

/** The servers that the signaling server told of, with credentials that are still good. */
export class IceServers {
  /** @type {RTCIceServer[]} */
  list = [];
  #expiresAt = Infinity;
  #connection;

  /** @param {Connection} connection */
  constructor(connection) {
    this.#connection = connection;
  }

  /** @param {any} iceServers of any message that carries them */
  use(iceServers) {
    if (!Array.isArray(iceServers)) return;
    this.list = iceServers;
    // TURN REST API: the username begins with the time, in unix seconds, at which the credential expires.
    const times = iceServers.map(({ username }) => /^(\d+)(:|$)/.exec(username ?? "")?.[1]).filter(Boolean);
    this.#expiresAt = Math.min(...times.map((time) => Number(time) * 1000));
  }

  /** Ask for new credentials; what there is stays if there is no answer. */
  async refresh() {
    if (this.list.length === 0 || !this.#connection.isOnline) return;
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
    // This device's clock is wrong. An ICE restart asks in any case.
    if (remaining <= 0) return EXPIRES_SOON_MS * 10;
    return remaining > 2 * EXPIRES_SOON_MS ? remaining - EXPIRES_SOON_MS : Math.max(1_000, remaining / 2);
  }
}
