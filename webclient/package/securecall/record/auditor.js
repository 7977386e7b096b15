/**
 * An auditor's copy of a log's checkpoint, and whether the server shows us the same log.
 *
 * @typedef {import("./check.js").Log} Log
 * @typedef {import("./check.js").Question} Question
 */

import { RefusedAnswer } from "../ownership/answers.js";
import { readProved } from "./check.js";
import { fetchedText } from "./fetching.js";
import { isSame, require } from "./hashes.js";
import { readCheckpoint, readLogKey } from "./notes.js";

// The log may grow between two questions: then they are asked again.
const TRIES = 5;

/**
 * Hold what the server shows to an auditor's checkpoint, and to what we know.
 *
 * @param {string} url of the checkpoint
 * @param {Question} question about this client, with the tree that we know
 * @param {(after: number, size: number) => Promise<any>} ask
 * @returns {Promise<{log: Log, signedAt: number} | null>} the tree to keep, and when the log signed the auditor's, in unix ms;
 *   null: the auditor cannot be reached, or shows something else than a checkpoint of this log
 * @throws {RefusedAnswer} if the server shows one of us another log
 */
export async function auditedTree(url, question, ask) {
  const seen = await fetched(url, question.log.vkey);
  if (!seen) return null;
  try {
    const log = await comparedTree(seen, question, ask);
    return log && { log, signedAt: seen.signedAt * 1000 };
  } catch (error) {
    if (error instanceof RefusedAnswer) error.checkpoint = seen.note;
    throw error;
  }
}

/**
 * @param {import("./trees.js").Tree} tree that the auditor saw
 * @param {Question} question
 * @param {(after: number, size: number) => Promise<any>} ask
 * @returns {Promise<Log | null>} null: the log did not stand still for two questions
 */
async function comparedTree({ size, root }, question, ask) {
  const audited = { vkey: question.log.vkey, tree: { size, root } };
  for (let tried = 0; tried < TRIES; tried += 1) {
    const { log: theirs } = await readProved({ ...question, log: audited }, ask);
    const { log: ours } = await readProved(question, ask);
    if (theirs.tree.size !== ours.tree.size) continue;
    require(isSame(theirs.tree.root, ours.tree.root), "The public record forked: it shows two trees of one size.");
    return ours;
  }
  return null;
}

/** @param {string} url @param {string} vkey */
async function fetched(url, vkey) {
  const note = await fetchedText(url);
  if (note === null) return null;
  try {
    return { ...(await readCheckpoint(note, await readLogKey(vkey))), note };
  } catch (error) {
    if (error instanceof RefusedAnswer) return null;
    throw error;
  }
}
