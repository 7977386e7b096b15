/**
 * The states of the connection to the server, and what people are told of each.
 *
 *     idle ---start--> connecting ---REGISTERED--> online
 *                         ^  |                       |
 *                   retry |  | lost, refused         | lost
 *                         |  v                       v
 *                        waiting <--------------------
 *
 * From each of them `stop` leads to `closed`, and close 4409 to `superseded`; from both, `start` begins anew.
 *
 * @typedef {import("../securecall.js").SignalingStatus} SignalingStatus
 * @typedef {SignalingStatus["state"]} State
 */

import { SecureCallError } from "./errors.js";

/** @type {Record<State, {isGoing: boolean, isOver: boolean, sentence: string}>} whether it works by itself; whether it ended */
export const STATES = {
  idle: { isGoing: false, isOver: false, sentence: "Not connected to the server." },
  connecting: { isGoing: true, isOver: false, sentence: "Connecting to the server …" },
  online: { isGoing: true, isOver: false, sentence: "Connected to the server." },
  waiting: { isGoing: true, isOver: false, sentence: "The server cannot be reached; it is tried again soon." },
  superseded: {
    isGoing: false,
    isOver: true,
    sentence: "You are registered with this name in another window or device now; this one is not connected.",
  },
  closed: { isGoing: false, isOver: true, sentence: "You left the server." },
};

/**
 * @param {State} state
 * @param {Partial<SignalingStatus>} [details]
 * @returns {SignalingStatus}
 */
export function statusOf(state, details) {
  return Object.freeze({ state, sentence: STATES[state].sentence, attempts: 0, ...details });
}

/**
 * Wait until a client is registered.
 *
 * @param {EventTarget & {signaling: SignalingStatus}} client
 * @returns {Promise<void>}
 * @throws {SecureCallError} if it ends before
 */
export function settled(client) {
  return new Promise((resolve, reject) => {
    const settle = () => {
      const { state, sentence } = client.signaling;
      if (state !== "online" && !STATES[state].isOver) return;
      client.removeEventListener("signaling", settle);
      if (state === "online") resolve();
      else reject(new SecureCallError(/** @type {"closed" | "superseded"} */ (state), sentence));
    };
    client.addEventListener("signaling", settle);
  });
}

/**
 * @param {boolean} wasOnline
 * @returns {string} what happened to the connection
 */
export function lossSentence(wasOnline) {
  const loss = wasOnline ? "The connection to the server was lost" : "The server cannot be reached";
  return `${navigator.onLine ? loss : "This device has no network"}; it is tried again soon.`;
}
