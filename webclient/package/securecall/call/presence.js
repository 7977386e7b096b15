/**
 * Whether the peer of a call is still at its other end.
 *
 * @typedef {import("./call.js").Call} Call
 */

const ASK_MS = 2_000;

/**
 * Find out over the media's way whether the peer is there.
 *
 * @param {Call} call
 * @returns {Promise<boolean>}
 */
export async function isPeerThere({ rtc, control, surroundings, status }) {
  if (!rtc || status.state !== "connected") return false;
  const isAsked = control.isOpen;
  const before = await bytesReceived(rtc);
  const waited = new Promise((resolve) => surroundings.timers.after(ASK_MS, () => resolve(null)));
  const answered = await Promise.race([control.ask().then(() => true), waited]);
  // Where there is no way for the question, what the peer sends, it sends.
  return answered === true || (!isAsked && (await bytesReceived(rtc)) > before);
}

/** @param {RTCPeerConnection} rtc */
async function bytesReceived(rtc) {
  const stats = [...(await rtc.getStats()).values()].filter(({ type }) => type === "candidate-pair");
  return stats.reduce((sum, { bytesReceived: bytes = 0 }) => sum + bytes, 0);
}
