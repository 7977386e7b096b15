/**
 * The log's key and its checkpoints (C2SP signed-note, tlog-checkpoint, tlog-cosignature), read and verified.
 *
 * @typedef {object} LogKey what a vkey fixes
 * @property {string} name of the log
 * @property {string} directory
 * @property {Uint8Array<ArrayBuffer>} publicKey signs checkpoints
 * @property {Uint8Array} vrf makes indexes
 * @property {string} noteId names the key in a signature line, in hex
 * @property {string} timedId the same for signatures with the time
 *
 * @typedef {import("./trees.js").Tree & {signedAt: number}} Checkpoint `signedAt`: in unix seconds
 */

import { encoder } from "../bytes.js";
import { RefusedAnswer } from "../ownership/answers.js";
import { isSignedBy } from "./ed25519.js";
import { bytesFrom, require, sha256 } from "./hashes.js";

const [NOTE, COSIGNATURE] = [1, 4];
const KEY_BYTES = 32;
const ID_BYTES = 4;
const TIME_BYTES = 8;
const VKEY = /^([a-z0-9.-]+)\/([A-Za-z0-9_-]{43})\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})$/;
const CHECKPOINT = /^([^\n]+)\n(0|[1-9][0-9]{0,15})\n([A-Za-z0-9+/]{43}=)\n$/;
const LINE = /^— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/;

/** A checkpoint is of another log than the one that is known. */
export class OtherRecord extends RefusedAnswer {
  /** @type {import("../errors.js").ErrorCode} */
  code = "record-replaced";
}

/** A checkpoint was signed in another hour than this device's clock shows. */
export class LateRecord extends RefusedAnswer {
  isLate = true;
}

/** @param {Uint8Array} bytes */
function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {string} text base64 in its one spelling */
function bytesOfBase64(text) {
  let bytes;
  try {
    bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    // Told below.
  }
  require(bytes && btoa(String.fromCharCode(...bytes)) === text, "A line of the checkpoint is not written as base64 is.");
  return bytes;
}

/**
 * @param {string} name of a key
 * @param {number} kind of its signatures
 * @param {Uint8Array} publicKey
 */
async function keyId(name, kind, publicKey) {
  return hex((await sha256(encoder.encode(`${name}\n`), Uint8Array.of(kind), publicKey)).subarray(0, ID_BYTES));
}

/**
 * Read a log's vkey, as `/log/key` shows it.
 *
 * @param {unknown} text
 * @returns {Promise<LogKey>}
 * @throws {RefusedAnswer}
 */
export async function readLogKey(text) {
  const found = VKEY.exec(String(text));
  require(found, "This is no key of a public record: NAME+ID+KEY, as /log/key shows it.");
  const [, directory, vrf, id, key] = found;
  const [kind, ...publicKey] = bytesOfBase64(key);
  const name = `${directory}/${vrf}`;
  const bytes = Uint8Array.from(publicKey);
  const [noteId, timedId] = await Promise.all([NOTE, COSIGNATURE].map((it) => keyId(name, it, bytes)));
  require(kind === NOTE && noteId === id, "This key of a public record is not whole: its parts do not fit.");
  return { name, directory, publicKey: bytes, vrf: bytesFrom(vrf, KEY_BYTES), noteId, timedId };
}

/**
 * Verify both signatures of the log.
 *
 * @param {string} note
 * @param {LogKey} key
 * @returns {Promise<Checkpoint>}
 * @throws {RefusedAnswer} `OtherRecord` for a checkpoint of another log
 */
export async function readCheckpoint(note, key) {
  const end = note.lastIndexOf("\n\n");
  const text = note.slice(0, end + 1);
  const found = CHECKPOINT.exec(text);
  require(end >= 0 && found && note.endsWith("\n") && Number.isSafeInteger(Number(found[2])), "The checkpoint is none.");
  const [, origin, size, root] = found;
  const signatures = readSignatures(note.slice(end + 2, -1));
  const [plain, timed] = [key.noteId, key.timedId].map((id) => signatures.get(`${key.name} ${id}`));
  if (origin !== key.name || (!plain && !timed)) {
    throw new OtherRecord("The server shows another public record than the one that is known.");
  }
  require(plain && (await isSignedBy(key.publicKey, plain, encoder.encode(text))), "The checkpoint is not signed by its log.");
  const signedAt = timed ? timeOf(timed) : 0;
  const isTimed = timed && signedAt > 0 && (await isSignedBy(key.publicKey, timed.subarray(TIME_BYTES), timedText(signedAt, text)));
  require(isTimed, "The checkpoint is not signed by its log together with the time.");
  return { size: Number(size), root: bytesOfBase64(root), signedAt };
}

/** @param {Uint8Array} signature */
function timeOf(signature) {
  return Number(BigInt(`0x0${hex(signature.subarray(0, TIME_BYTES))}`));
}

/** @param {number} time @param {string} text */
function timedText(time, text) {
  return encoder.encode(`cosignature/v1\ntime ${time}\n${text}`);
}

/** @param {string} lines @returns {Map<string, Uint8Array<ArrayBuffer>>} by the name and the ID of a key */
function readSignatures(lines) {
  const signatures = new Map();
  for (const line of lines.split("\n")) {
    const found = LINE.exec(line);
    require(found, "A signature line of the checkpoint is malformed.");
    const data = bytesOfBase64(found[2]);
    const name = `${found[1]} ${hex(data.subarray(0, ID_BYTES))}`;
    require(data.length > ID_BYTES && !signatures.has(name), "The checkpoint has a signature twice.");
    signatures.set(name, data.slice(ID_BYTES));
  }
  return signatures;
}
