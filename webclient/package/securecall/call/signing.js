/**
 * The identity keys' signatures in the descriptions of a call.
 *
 * @typedef {import("./call.js").Call} Call
 */

import { DATA_ATTRIBUTE, IDENTITY_ATTRIBUTE, NEGOTIATES_ATTRIBUTE, RESUMES_ATTRIBUTE } from "../attributes.js";
import { attributeValues, signedText, withAttributes } from "../description.js";

const PUBLISH_MS = 3_000;

/**
 * Sign a call's own description.
 *
 * @param {Call} call
 * @param {string} sdp
 * @returns {Promise<string[]>} the lines to add to it
 */
export async function sign(call, sdp) {
  const { keys } = call.surroundings;
  // The peer looks the key up when it sees the signature.
  await Promise.race([keys.publish(), new Promise((resolve) => setTimeout(resolve, PUBLISH_MS))]);
  const signatures = await keys.sign(signedText(call, call.role, sdp));
  return [NEGOTIATES_ATTRIBUTE, RESUMES_ATTRIBUTE, DATA_ATTRIBUTE, ...signatures.map((it) => IDENTITY_ATTRIBUTE + it)];
}

/**
 * @param {Call} call
 * @param {RTCPeerConnection} rtc
 * @returns {string} its own description, with the lines of `sign`
 */
export function localSdp({ attributes }, rtc) {
  return withAttributes(/** @type {RTCSessionDescription} */ (rtc.localDescription).sdp, attributes);
}

/**
 * Check the signature of the peer's description; a forged one ends the call.
 *
 * @param {Call} call
 * @param {string} sdp
 */
export async function verify(call, sdp) {
  const { peerId, callId } = call;
  const { keys, tell, judged } = call.surroundings;
  const [signature] = attributeValues(sdp, IDENTITY_ATTRIBUTE);
  const text = signedText(call, call.role === "caller" ? "callee" : "caller", sdp);
  let status = await keys.verify(await call.peerKey, peerId, text, signature);
  if (status === "forged") {
    // Unless the peer published a new key just after it was looked up.
    const peerKey = await keys.judge(peerId);
    call.peerKey = Promise.resolve(peerKey);
    if (call.isOver) return;
    judged(peerKey);
    status = await keys.verify(peerKey, peerId, text, signature);
  }
  const { VERIFICATION_SENTENCES } = await import("../key-sentences.js");
  if (call.isOver) return;
  call.verification = Object.freeze({ callId, peerId, status, sentence: VERIFICATION_SENTENCES[status](peerId) });
  tell("verification", call.verification);
  if (status === "forged") call.finish("forged", "you", { say: true });
}
