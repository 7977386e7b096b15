/**
 * Reading and writing session descriptions (RFC 8866), line by line, and candidates.
 *
 * @typedef {import("./call.js").Call} Call
 */

import { isCallId, isClientId } from "./ids.js";

export const IDENTITY_ATTRIBUTE = "a=x-securecall-identity:";
export const NEGOTIATES_ATTRIBUTE = "a=x-securecall:negotiates";

// RFC 8122, as browsers write it.
const FINGERPRINT = /^[a-z0-9-]+ [0-9A-F]{2}(:[0-9A-F]{2})+$/;

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
  const [fragment] = attributeValues(sdp, "a=ice-ufrag:");
  return fragment !== attributeValues(current?.sdp ?? "", "a=ice-ufrag:")[0];
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
 * What one m-line and the attributes below it say.
 *
 * @typedef {object} MediaDescription
 * @property {string} kind "audio", "video" or "application", mostly
 * @property {string | undefined} mid
 * @property {boolean} isRejected
 * @property {string} direction seen from whoever wrote it
 */

/** @param {string} sdp @returns {MediaDescription[]} */
function mediaDescriptions(sdp) {
  const [session, ...sections] = sectionsOf(sdp).map((lines) => lines.map((line) => line.trimEnd()));
  return sections.map((lines) => {
    const [kind, port] = lines[0].slice("m=".length).split(" ");
    return {
      kind,
      mid: valueIn(lines, "a=mid:"),
      // RFC 9143, section 6: with a=bundle-only, port 0 offers what has no transport of its own. Firefox writes it.
      isRejected: Number.parseInt(port, 10) === 0 && !lines.includes("a=bundle-only"),
      // RFC 8866, section 6.7: what the session says holds where an m-line says nothing.
      direction: (lines.findLast(isDirection) ?? session.findLast(isDirection) ?? "a=sendrecv").slice("a=".length),
    };
  });
}

/**
 * Whether a description offers to send this kind of media.
 *
 * @param {string} sdp
 * @param {"audio" | "video"} kind
 */
export function offersToSend(sdp, kind) {
  const offered = mediaDescriptions(sdp).filter((media) => media.kind === kind && !media.isRejected);
  return offered.some(({ direction }) => direction === "sendrecv" || direction === "sendonly");
}

/** @param {string} sdp */
export function offersData(sdp) {
  return mediaDescriptions(sdp).some(({ kind, isRejected }) => kind === "application" && !isRejected);
}

/**
 * The m-lines with a transport of their own: all that are used, but for those that an answer bundles with another one.
 *
 * @param {string} sdp an answer
 * @returns {number[]} their places, from 0
 */
export function linesWithTransport(sdp) {
  const [session] = sectionsOf(sdp);
  const groups = session.map((line) => line.trimEnd().split(" ")).filter(([name]) => name === "a=group:BUNDLE");
  // RFC 9143, section 7.3: the first of a group is the one whose transport the others share.
  const bundled = groups.flatMap(([, , ...others]) => others);
  const media = mediaDescriptions(sdp);
  return [...media.keys()].filter((at) => !media[at].isRejected && !bundled.includes(media[at].mid ?? ""));
}

/**
 * @param {string} sdp
 * @returns {string[][]} the session's lines, then those of each m-line
 */
function sectionsOf(sdp) {
  /** @type {string[][]} */
  const sections = [[]];
  for (const line of sdp.split(/\r?\n/)) {
    if (line.startsWith("m=")) sections.push([]);
    if (line) sections.at(-1)?.push(line);
  }
  return sections;
}

/**
 * @param {string[]} lines
 * @param {string} start
 */
function valueIn(lines, start) {
  return lines.find((line) => line.startsWith(start))?.slice(start.length);
}

/** @param {string} line */
function isDirection(line) {
  return ["a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"].includes(line);
}

/**
 * A candidate as it came: a line, JSON text of an `RTCIceCandidateInit`, such an object, or null for the end of them.
 *
 * @param {any} candidate
 * @returns {RTCIceCandidateInit & {description?: {type: string, sdp: string, id: number}}}
 */
export function readCandidate(candidate) {
  if (candidate === null) return { candidate: "", sdpMLineIndex: 0 };
  if (typeof candidate === "object") return candidate;
  if (candidate.startsWith("{")) {
    try {
      return JSON.parse(candidate);
    } catch {
      // Then it is no candidate, and the browser says so.
    }
  }
  // Without more, it belongs to the first m-line, with which nearly everybody bundles the others.
  return { candidate: candidate.replace(/^a=/, ""), sdpMLineIndex: 0 };
}
