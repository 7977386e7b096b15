/**
 * Candidates in the shapes that browsers and native SDKs write, read into the one that browsers take.
 *
 * @typedef {import("./sdp.js").SessionDescription} SessionDescription
 *
 * @typedef {object} Candidate
 * @property {string} line what follows `candidate:`, in one form; "" for the end of them
 * @property {string | undefined} mid
 * @property {number | undefined} at the place of its m-line
 * @property {string | undefined} ufrag
 */

import { fieldsOf, firstOf } from "./fields.js";

// However often JSON text was made of JSON text, or an object was put into another.
const DEEPEST = 4;
// What each field is called: by the W3C; by libwebrtc's SDKs, as gson, Swift's and Dart's encoders write it; by the
// AppRTC demo and aiortc; by libdatachannel; by C#, whose names begin in upper case; and what messages have it in, as PeerJS'
// does. Read without case and underscores.
const LINE_NAMES = ["candidate", "sdp", "icecandidate", "ice", "content", "payload", "data"];
const MID_NAMES = ["sdpmid", "mid", "id"];
const PLACE_NAMES = ["sdpmlineindex", "label", "mlineindex"];
const UFRAG_NAMES = ["usernamefragment", "ufrag"];
const ENDS = ["", "end-of-candidates"];
// Of candidates in parts: pion's Go numbers the protocols.
const PROTOCOLS = ["", "udp", "tcp"];

/**
 * Read a candidate as it came: a line with or without its prefix, JSON text, or an object, also with another one in it.
 *
 * @param {unknown} given
 * @returns {Candidate | null} null: it cannot be read
 */
export function readCandidate(given) {
  return read(given, 0);
}

/**
 * @param {unknown} given
 * @param {number} depth
 * @returns {Candidate | null}
 */
function read(given, depth) {
  if (given === null) return candidateOf("");
  if (depth > DEEPEST) return null;
  if (typeof given === "string") return readText(given.trim(), depth);
  return typeof given === "object" && given ? readObject(given, depth) : null;
}

/**
 * @param {string} text
 * @param {number} depth
 */
function readText(text, depth) {
  if (/^[{"]|^null$/.test(text)) {
    try {
      return read(JSON.parse(text), depth + 1);
    } catch {
      return null;
    }
  }
  const words = withoutPrefix(withoutPrefix(text, "a="), "candidate:").split(/\s+/);
  if (ENDS.includes(words.join(" "))) return candidateOf("");
  return isCandidate(words) ? candidateOf(words.join(" ")) : null;
}

/**
 * @param {object} given
 * @param {number} depth
 */
function readObject(given, depth) {
  const fields = fieldsOf(given);
  const named = firstOf(fields, LINE_NAMES);
  const line = named === undefined ? lineOfParts(fields) : named;
  // Janus and some others tell of the end so.
  const isEnd = fields.get("completed") === true || fields.get("type") === "end-of-candidates";
  const found = line === undefined ? (isEnd ? candidateOf("") : null) : read(line, depth + 1);
  return found && {
    line: found.line,
    mid: found.mid ?? textOf(firstOf(fields, MID_NAMES)),
    at: found.at ?? numberOf(firstOf(fields, PLACE_NAMES)),
    ufrag: found.ufrag ?? textOf(firstOf(fields, UFRAG_NAMES)),
  };
}

/**
 * Write the line of a candidate that comes in parts, as pion's and aiortc's own objects are when they are put into JSON.
 *
 * @param {Map<string, any>} fields
 * @returns {string | undefined} undefined: these are none
 */
function lineOfParts(fields) {
  const [foundation, protocol, type] = ["foundation", "protocol", "type"].map((name) => fields.get(name));
  const address = fields.get("address") ?? fields.get("ip");
  if (![foundation, protocol, address, type].every(Boolean)) return undefined;
  const [component, priority, port] = ["component", "priority", "port"].map((name) => fields.get(name));
  const related = fields.get("relatedaddress") ? ["raddr", fields.get("relatedaddress"), "rport", fields.get("relatedport")] : [];
  const tcp = fields.get("tcptype") ? ["tcptype", fields.get("tcptype")] : [];
  return [foundation, component, PROTOCOLS[protocol] ?? protocol, priority, address, port, "typ", type, ...related, ...tcp].join(" ");
}

/**
 * Say for the browser to which m-line a candidate belongs.
 *
 * @param {Candidate} candidate
 * @param {SessionDescription} description of whom it is from
 * @returns {RTCIceCandidateInit}
 */
export function candidateInit({ line, mid, at, ufrag }, { media }) {
  const words = line.split(" ");
  const written = ufrag ?? (words.includes("ufrag") ? words[words.indexOf("ufrag") + 1] : undefined);
  const init = { candidate: line && `candidate:${line}`, ...(ufrag && { usernameFragment: ufrag }) };
  // The mid says most, unless it is from another description, as when the app before us renamed them.
  if (mid !== undefined && media.some((it) => it.mid === mid)) return { ...init, sdpMid: mid };
  if (at !== undefined && at < media.length) return { ...init, sdpMLineIndex: at };
  // Neither: the first of those that have its ufrag, or the first, with which nearly everybody bundles the others.
  const place = media.findIndex((it) => written !== undefined && it.ufrag === written);
  return { ...init, sdpMLineIndex: Math.max(place, 0) };
}

/** @param {string} line @returns {Candidate} */
function candidateOf(line) {
  return { line, mid: undefined, at: undefined, ufrag: undefined };
}

/**
 * RFC 8839, section 5.1: foundation, component, transport, priority, address, port, `typ` and a type.
 *
 * @param {string[]} words
 */
function isCandidate([, component, , priority, , port, typ, type]) {
  return [component, priority, port].every((word) => Number.isInteger(Number(word ?? "-"))) && typ === "typ" && Boolean(type);
}

/**
 * @param {string} text
 * @param {string} prefix
 */
function withoutPrefix(text, prefix) {
  return text.toLowerCase().startsWith(prefix) ? text.slice(prefix.length).trimStart() : text;
}

/** @param {unknown} value */
function textOf(value) {
  return (typeof value === "string" && value) || typeof value === "number" ? String(value) : undefined;
}

/** @param {unknown} value */
function numberOf(value) {
  const number = typeof value === "string" && value.trim() ? Number(value) : value;
  return typeof number === "number" && Number.isInteger(number) && number >= 0 ? number : undefined;
}
