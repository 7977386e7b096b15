/**
 * How a call ended that the peer, or the server, ended.
 *
 * @typedef {import("../../securecall.js").CallStatus} CallStatus
 * @typedef {import("../../securecall.js").EndReason} EndReason
 */

/**
 * What the peer should know of an end, as the reason of CALL_END.
 *
 * @type {EndReason[]}
 */
export const SAID_REASONS = ["media-failed", "forged", "superseded"];

/** @type {Record<string, [EndReason, "server"]>} */
const SERVER_REASONS = {
  timeout: ["no-answer", "server"],
  peer_disconnected: ["peer-disconnected", "server"],
  operator: ["operator", "server"],
};

/**
 * @param {CallStatus["state"]} state
 * @param {unknown} reason as the server brought it: its own, or the peer's
 * @returns {[EndReason, "peer" | "server", {peerReason?: string}]}
 */
export function serverEnded(state, reason) {
  const words = typeof reason === "string" ? reason : "";
  return Object.hasOwn(SERVER_REASONS, words) ? [...SERVER_REASONS[words], {}] : peerEnded(state, reason);
}

/**
 * @param {CallStatus["state"]} state
 * @param {unknown} reason as the peer gave it
 * @returns {[EndReason, "peer", {peerReason?: string}]}
 */
export function peerEnded(state, reason) {
  const peerReason = typeof reason === "string" ? { peerReason: reason } : {};
  const said = SAID_REASONS.find((it) => it === reason);
  if (said) return [said, "peer", {}];
  if (state === "calling") return ["rejected", "peer", peerReason];
  return [state === "incoming" ? "cancelled" : "hung-up", "peer", peerReason];
}
