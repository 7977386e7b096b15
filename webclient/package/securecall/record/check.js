/**
 * The check of all answers to a look-up against the public log (docs/protocol.md, "Client IDs that belong to a key").
 *
 * How it works: each answer goes through four steps, and the first that fails refuses all of them:
 *
 * 1. the client ID, and the checkpoint: whose, when, and that its tree extends the one that is known;
 * 2. the last entry of the tree, and the client ID's index; in the last answer, what the prefix tree has for the index;
 * 3. each statement and its update, from the pinned one or from the first;
 * 4. the public key, or why there is none.
 *
 * @typedef {import("../ownership/answers.js").Standing} Standing
 * @typedef {import("../ownership/answers.js").Link} Link
 * @typedef {import("./notes.js").Checkpoint} Checkpoint
 * @typedef {import("./notes.js").LogKey} LogKey
 * @typedef {import("./shape.js").Answer} Answer
 * @typedef {import("./trees.js").Tree} Tree
 * @typedef {import("./updates.js").Update} Update
 * @typedef {{vkey: string, tree: Tree}} Log what is known of a log
 * @typedef {{statement?: string, update?: string, vkey?: string}} Pinned what is known of an ID: its last statement, the
 *   SHA-256 of its update, and of which log that is; nothing of the latter from a server without a log
 * @typedef {{clientId: string, log: Log, pinned: Pinned, now: number, directory?: string}} Question `now`: in unix ms; `directory`:
 *   its name, where the application knows it
 */

import { encoder } from "../bytes.js";
import { ENDLESS, MOST_ANSWERS, MOST_STATEMENTS, RefusedAnswer, complete, standing } from "../ownership/answers.js";
import { extend, seqOf } from "./chain.js";
import { HASH_BYTES, bytesFrom, hashesFrom, isSame, require } from "./hashes.js";
import { LateRecord, readCheckpoint, readLogKey } from "./notes.js";
import { readAnswer } from "./shape.js";
import { EMPTY, checkConsistent, checkLast, checkPrefix, emptyTree, leafHash } from "./trees.js";
import { ENTRY_BYTES, readUpdate } from "./updates.js";
import { PROOF_BYTES, verify } from "./vrf.js";

const MOST_MS_AWAY = 3_600_000;

/**
 * Ask for all statements of a client ID, and verify what is answered.
 *
 * @param {Question} question
 * @param {(after: number, size: number) => Promise<any>} ask gives the answer to who knows that statement and that tree
 * @param {number} [mostAnswers]
 * @returns {Promise<{standing: Standing, log: Log}>} and the tree to keep
 * @throws {import("../ownership/answers.js").RefusedAnswer}
 */
export async function readProved(question, ask, mostAnswers = MOST_ANSWERS) {
  const { clientId, pinned, now } = question;
  const key = await readLogKey(question.log.vkey);
  const isExpected = question.directory === undefined || question.directory === key.directory;
  require(isExpected, "The public record is that of another directory.");
  /** @type {{chain: Link[], last: Update | null}} */
  const found = { chain: [], last: null };
  let { log } = question;
  let after = pinned.statement === undefined ? -1 : seqOf(pinned.statement);
  for (let left = mostAnswers; left > 0; left -= 1) {
    const answer = readAnswer(await ask(after, log.tree.size));
    require(answer.clientId === clientId, "The answer is about another client ID.");
    require(answer.directory === key.directory, "The answer is of another directory.");
    const tree = await checkTree(answer, key, log.tree, now);
    const prefixRoot = await prefixRootOf(answer, tree);
    const index = (await verify(key.vrf, encoder.encode(clientId), bytesFrom(answer.proof.vrfProof, PROOF_BYTES))).subarray(0, HASH_BYTES);
    log = { vkey: log.vkey, tree };
    const updates = await Promise.all(answer.statements.map(({ update }) => readUpdate(update)));
    const isFull = updates.length >= MOST_STATEMENTS;
    require(updates.length <= MOST_STATEMENTS, "The answer has too many statements.");
    if (!isFull) await checkPlace(answer, prefixRoot, index, updates.at(-1)?.hash ?? null);
    require(updates.every((update) => isSame(update.index, index)), "An update is of another index.");
    if (["unsigned", "erased"].includes(answer.status)) return { standing: empty(answer, updates, question), log };
    await extend(found, answer, updates, question);
    if (!isFull) return { standing: { ...(await complete(answer, found.chain)), vkey: log.vkey }, log };
    after = seqOf(found.chain.at(-1)?.text ?? "");
  }
  throw new RefusedAnswer(ENDLESS);
}

/**
 * @param {Answer} answer
 * @param {LogKey} key
 * @param {Tree} known
 * @param {number} now
 * @returns {Promise<Tree>}
 */
async function checkTree({ proof }, key, known, now) {
  const checkpoint = await readCheckpoint(proof.checkpoint, key);
  const isNow = Math.abs(now - checkpoint.signedAt * 1000) <= MOST_MS_AWAY;
  if (!isNow) throw new LateRecord("The public record was signed in another hour than this device's clock shows: look whether it is right.");
  await checkConsistent(known, checkpoint, hashesFrom(proof.consistency));
  return { size: checkpoint.size, root: checkpoint.root };
}

/** @param {Answer} answer @param {Tree} tree @returns {Promise<Uint8Array>} the root of the prefix tree after its last entry */
async function prefixRootOf({ proof }, tree) {
  const path = hashesFrom(proof.inclusion);
  if (tree.size === 0) {
    const isEmpty = isSame(tree.root, (await emptyTree()).root) && proof.entry === "" && path.length === 0;
    require(isEmpty, "The public record is empty, and shows an entry.");
    return EMPTY;
  }
  const entry = bytesFrom(proof.entry, ENTRY_BYTES);
  await checkLast(await leafHash(entry), tree, path);
  return entry.subarray(-HASH_BYTES);
}

/** @param {Answer} answer @param {Uint8Array} root @param {Uint8Array} index @param {Uint8Array | null} value */
async function checkPlace({ proof }, root, index, value) {
  const met = proof.nonInclusionLeaf === null ? null : bytesFrom(proof.nonInclusionLeaf, 2 * HASH_BYTES);
  await checkPrefix(root, index, value, hashesFrom(proof.siblings), met);
}

/**
 * Judge an ID without statements: it belongs to no key, or was erased.
 *
 * @param {Answer} answer
 * @param {Update[]} updates
 * @param {Question} question
 * @returns {Standing}
 */
function empty(answer, updates, { pinned, log }) {
  if (answer.status === "unsigned") {
    require(updates.length === 0 && pinned.statement === undefined, "An identity that was there is gone.");
  } else {
    // One that was erased before there was a log has no update in it.
    const isThere = updates.length === 1 || (updates.length === 0 && (pinned.statement === undefined || pinned.vkey !== log.vkey));
    require(isThere && answer.publicKey === null, "An erased name has its last update, and nothing else.");
  }
  return { ...standing(answer, []), vkey: log.vkey };
}
