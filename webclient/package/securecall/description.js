/**
 * What a call reads in session descriptions, and what it adds to them.
 *
 * @typedef {import("./call/call.js").Call} Call
 */

import { fieldsOf, firstOf } from "./fields.js";
import { isCallId, isClientId } from "./ids.js";
import { readSdp, sectionsOf } from "./sdp.js";

// RFC 8122, as browsers write it, and as Asterisk does: `SHA-256`.
const FINGERPRINT = /^[A-Za-z0-9-]+ [0-9A-F]{2}(:[0-9A-F]{2})+$/;
// However often JSON text was made of JSON text.
const DEEPEST = 4;
// What the text is called: by the W3C; by Android's SDK, as gson writes it, and libdatachannel; by MixedReality-WebRTC; and
// what messages have a description in, as Janus' and PeerJS' do.
const NAMES = ["sdp", "description", "content", "jsep", "payload", "data"];

/**
 * @param {string} sdp
 * @param {string} attribute what the line starts with, upper and lower case told apart
 */
export function attributeValues(sdp, attribute) {
  const lines = sdp.split(/\r?\n/).filter((line) => line.startsWith(attribute));
  return lines.map((line) => line.slice(attribute.length));
}

/**
 * Read the fingerprints of a description, each once and sorted, joined by line ends.
 *
 * Browsers differ in what else they take for one: Firefox also reads `a=FINGERPRINT:`, `a= fingerprint:` and
 * `a=fingerprint ` with a space, which others pass over. So the word stands nowhere but in lines of the one form that
 * all of them read alike, of the session's part and of the media's.
 *
 * @param {string} sdp
 * @returns {string | null} null: there is none, or what a browser makes of it is not certain
 */
export function fingerprintsIn(sdp) {
  const values = attributeValues(sdp, "a=fingerprint:");
  const isPlain = values.every((value) => FINGERPRINT.test(value)) && sdp.match(/fingerprint/gi)?.length === values.length;
  return isPlain ? [...new Set(values)].sort().join("\n") : null;
}

/**
 * Write what an identity key signs.
 *
 * @param {Call} call
 * @param {"caller" | "callee"} role whose description it is
 * @param {string} sdp
 * @returns {string | null} null: nothing that could be taken for the text of another call may be signed or verified
 */
export function signedText(call, role, sdp) {
  const isOurs = role === call.role;
  const describing = isOurs ? call.clientId : call.peerId;
  const other = isOurs ? call.peerId : call.clientId;
  const [caller, callee] = role === "caller" ? [describing, other] : [other, describing];
  const fingerprints = fingerprintsIn(sdp);
  if (fingerprints === null || !isCallId(call.callId) || !isClientId(caller) || !isClientId(callee)) return null;
  return ["securecall-identity-v1", call.callId, caller, callee, role, fingerprints].join("\n");
}

/**
 * Tell whether an offer restarts ICE (RFC 8839, section 4.4.1.1.1); parts that bundling adds repeat the first one's words.
 *
 * @param {string} sdp
 * @param {RTCSessionDescription | null} current what the peer described before
 */
export function restartsIce(sdp, current) {
  const [now, before] = [sdp, current?.sdp ?? ""].map((text) => readSdp(text).media.find(({ ufrag }) => ufrag)?.ufrag);
  return now !== before;
}

/**
 * @param {string} sdp
 * @param {string[]} lines for the session's part, before the first m-line
 */
export function withAttributes(sdp, lines) {
  const [session, ...sections] = sectionsOf(sdp);
  return [...session, ...lines, ...sections.flat()].map((line) => `${line}\r\n`).join("");
}

/**
 * Whether a description offers to send this kind of media.
 *
 * @param {string} sdp
 * @param {"audio" | "video"} kind
 */
export function offersToSend(sdp, kind) {
  const offered = readSdp(sdp).media.filter((media) => media.kind === kind && !media.isRejected);
  return offered.some(({ direction }) => direction === "sendrecv" || direction === "sendonly");
}

/** @param {string} sdp */
export function offersData(sdp) {
  return readSdp(sdp).media.some(({ kind, isRejected }) => kind === "application" && !isRejected);
}

/**
 * The m-lines with a transport of their own: all that are used, but for those that an answer bundles with another one.
 *
 * @param {string} sdp an answer
 * @returns {number[]} their places, from 0
 */
export function linesWithTransport(sdp) {
  const { media, bundles } = readSdp(sdp);
  // RFC 9143, section 7.3: the first of a group is the one whose transport the others share.
  const bundled = bundles.flatMap(([, ...others]) => others);
  return [...media.keys()].filter((at) => !media[at].isRejected && !bundled.includes(media[at].mid ?? ""));
}

/**
 * Read a description as it came: SDP, JSON text of an `RTCSessionDescription`, such an object, or one with that in it.
 *
 * @param {unknown} given
 * @returns {string} SDP with CRLF after every line, as all browsers take it; what cannot be read is for the browser to refuse
 */
export function readDescription(given) {
  const text = sdpIn(given, 0) ?? String(given);
  return sectionsOf(text.trimStart()).flat().map((line) => `${line}\r\n`).join("");
}

/**
 * @param {any} given
 * @param {number} depth
 * @returns {string | null}
 */
function sdpIn(given, depth) {
  if (depth > DEEPEST) return null;
  if (typeof given === "object" && given) return sdpIn(firstOf(fieldsOf(given), NAMES) ?? null, depth + 1);
  if (typeof given !== "string") return null;
  if (!/^\s*[{"]/.test(given)) return given;
  try {
    return sdpIn(JSON.parse(given), depth + 1);
  } catch {
    return null;
  }
}
