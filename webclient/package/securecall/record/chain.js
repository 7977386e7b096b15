/**
 * The chain of an ID's statements and updates, from the pinned one or from the first, page by page.
 *
 * @typedef {import("../ownership/answers.js").Link} Link
 * @typedef {import("./check.js").Question} Question
 * @typedef {import("./shape.js").Answer} Answer
 * @typedef {import("./shape.js").Listed} Listed
 * @typedef {import("./updates.js").Update} Update
 */

import { base64url } from "../bytes.js";
import { checkAbout, checkNext, linkOf } from "../ownership/answers.js";
import { digest } from "../ownership/signatures.js";
import { isSame, require } from "./hashes.js";
import { EMPTY } from "./trees.js";

/** @param {string} statement @returns {number} */
export function seqOf(statement) {
  return linkOf(statement, 0).statement.seq;
}

/**
 * Add an answer's statements to a chain, each if it and its update follow from those before.
 *
 * @param {{chain: Link[], last: Update | null}} found
 * @param {Answer} answer
 * @param {Update[]} updates of its statements
 * @param {Question} question
 */
export async function extend(found, answer, updates, question) {
  const [first] = answer.statements;
  const known = found.chain.at(-1);
  if (known) {
    const isAgain = first?.statement === known.text && base64url(updates[0].hash.buffer) === known.update;
    require(isAgain, "The statements do not go on where the answer before ended.");
  }
  for (const [at, row] of answer.statements.entries()) {
    if (known && at === 0) continue;
    await add(found, row, updates[at], question, answer.directory);
  }
}

/**
 * @param {{chain: Link[], last: Update | null}} found
 * @param {Listed} row
 * @param {Update} update
 * @param {Question} question
 * @param {string} directory
 */
async function add(found, { statement, signatures }, update, { clientId, pinned, log }, directory) {
  require(statement !== undefined && signatures, "A statement is missing.");
  const link = { ...linkOf(statement, update.kind), update: base64url(update.hash.buffer) };
  require(update.statement === (await digest(statement)), "An update is of another statement.");
  require(update.seq === link.statement.seq, "An update has another seq than its statement.");
  if (!found.last && pinned.statement !== undefined) {
    require(statement === pinned.statement, "The statements do not begin with the one that is known here.");
    const isKnown = pinned.vkey !== log.vkey || pinned.update === link.update;
    require(isKnown, "The update of the statement that is known here is another one.");
    require(Object.keys(signatures).length === 0, "The statement that is known here comes with signatures.");
  } else {
    require(isSame(update.before, found.last?.hash ?? EMPTY), "An update does not name the one before.");
    require(update.acceptedAt >= (found.last?.acceptedAt ?? 0), "An update was accepted before the one before.");
    await checkNext(link, signatures, found.chain.at(-1)?.statement ?? null);
  }
  checkAbout(link.statement, clientId, directory);
  found.chain.push(link);
  found.last = update;
}
