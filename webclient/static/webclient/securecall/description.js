/**
 * Reading and writing session descriptions (RFC 8866) and candidates.
 *
 * @typedef {import("./call.js").Call} Call
 */

export const IDENTITY_ATTRIBUTE = "a=x-securecall-identity:";
export const NEGOTIATES_ATTRIBUTE = "a=x-securecall:negotiates";


/**
 * @param {string} sdp
 * @param {string} attribute what the line starts with
 */
export function attributeValues(sdp, attribute) {
  const lines = sdp.split(/\r?\n/).filter((line) => line.toLowerCase().startsWith(attribute));
  return lines.map((line) => line.slice(attribute.length));
}

/** @param {string} sdp */
export function fingerprintsIn(sdp) {
  return [...new Set(attributeValues(sdp, "a=fingerprint:"))].sort();
}

/**
 * What an identity key signs.
 *
 * @param {Call} call
 * @param {"caller" | "callee"} role whose description it is
 * @param {string} sdp
 */
export function signedText(call, role, sdp) {
  const isOurs = role === call.role;
  const describing = isOurs ? call.clientId : call.peerId;
  const other = isOurs ? call.peerId : call.clientId;
  const [caller, callee] = role === "caller" ? [describing, other] : [other, describing];
  return ["securecall-identity-v1", call.callId, caller, callee, role, ...fingerprintsIn(sdp)].join("\n");
}

/**
 * @param {string} sdp
 * @param {string[]} lines for the session's part, before the first m-line
 */
export function withAttributes(sdp, lines) {
  const at = sdp.search(/^m=/m);
  const place = at < 0 ? sdp.length : at;
  return sdp.slice(0, place) + lines.map((line) => `${line}\r\n`).join("") + sdp.slice(place);
}

/**
 * Whether a description offers to send this kind of media.
 *
 * @param {string} sdp
 * @param {"audio" | "video"} kind
 */
export function offersToSend(sdp, kind) {
  const sections = sdp.split(/^(?=m=)/m).filter((section) => section.startsWith(`m=${kind} `));
  return sections.some((section) => !/^m=\w+ 0 /.test(section) && !/^a=(recvonly|inactive)\r?$/m.test(section));
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
  // Without more, it belongs to the first m-line: everything is bundled with that.
  return { candidate: candidate.replace(/^a=/, ""), sdpMLineIndex: 0 };
}
