/**
 * What an owner does with a client ID, each by one statement. All return what the directory says afterwards.
 *
 * @typedef {import("./answers.js").Standing} Standing
 * @typedef {import("./statements.js").Statement} Statement
 * @typedef {import("./proposals.js").Proposals} Proposals
 * @typedef {import("./proposals.js").Surroundings} Surroundings
 */

import { base64url, bytesOf, encoder } from "../bytes.js";
import { SecureCallError } from "../errors.js";
import { pinnedOf } from "../verdicts.js";
import { readRecoveryCode, recoveryKey, recoverySeed } from "./recovery.js";
import { isIdentity, signAsIdentity } from "./signatures.js";
import { NOTHING, firstStatement, following, keyLine, parse, textOf } from "./statements.js";

export class Acts {
  #around;
  #proposals;

  /**
   * @param {Surroundings} surroundings
   * @param {Proposals} proposals
   */
  constructor(surroundings, proposals) {
    this.#around = surroundings;
    this.#proposals = proposals;
  }

  /**
   * Make the ID this browser's own, on a connection that is registered as it.
   *
   * @param {string} [code]
   */
  async claim(code) {
    const { ask } = this.#proposals;
    const kept = await this.#proposals.mustKeep();
    const found = await this.#proposals.find(ask, kept);
    const { directory } = found;
    const last = found.chain.at(-1);
    const recovery = code === undefined ? NOTHING : (await this.#keyOf(code, directory)).publicKey;
    const statement = last
      ? await following(last.statement, { ...(await naming(kept.publicKey)), recovery })
      : await firstStatement(directory, this.#around.clientId, kept.publicKey, recovery);
    return this.#proposals.propose(ask, kept, statement, {}, pinnedOf(found));
  }

  /**
   * @param {string} code
   * @param {string} [oldCode] the one there is, if there is one
   */
  async setRecoveryCode(code, oldCode) {
    const { kept, before } = await this.#proposals.owned();
    const { publicKey: recovery } = await this.#keyOf(code, before.directory);
    const statement = await following(before, { recovery });
    const isFirst = before.recovery === NOTHING;
    const signatures = isFirst ? {} : { recovery: await this.#signByCode(oldCode ?? "", before, statement) };
    return this.#proposals.propose(this.#proposals.ask, kept, statement, signatures, kept);
  }

  /** Go on with a new key, which the one before signs for. */
  async rotate() {
    const { kept, before } = await this.#proposals.owned();
    const made = await this.#around.makeKey();
    const statement = await following(before, await naming(made.publicKey));
    const previous = await signAsIdentity(kept.privateKey, textOf(statement));
    return this.#proposals.propose(this.#proposals.ask, made, statement, { previous }, kept);
  }

  /**
   * Get the ID back with a new key, for which the recovery code signs.
   *
   * @param {string} code
   * @param {string} [newCode] instead of it, from now on
   */
  restore(code, newCode) {
    return this.#proposals.askAsNobody(async (ask) => {
      const found = await this.#proposals.find(ask, undefined);
      const last = lastOf(found);
      const next = (await this.#proposals.kept())?.next;
      // The answer was lost, and the statement is there.
      if (next?.statement === last.text) return this.#proposals.adopt(found);
      const made = await this.#around.makeKey();
      const recovery = newCode === undefined ? last.statement.recovery : (await this.#keyOf(newCode, found.directory)).publicKey;
      const statement = await following(last.statement, { ...(await naming(made.publicKey)), recovery });
      const signatures = { recovery: await this.#signByCode(code, last.statement, statement) };
      return this.#proposals.propose(ask, made, statement, signatures, pinnedOf(found));
    });
  }

  /** @returns {Promise<string>} what the device that has the ID is asked to sign for */
  async requestMove() {
    const made = await this.#around.makeKey();
    await this.#around.keep((kept) => ({ ...(kept ?? made), next: made }));
    return made.publicKey;
  }

  /**
   * @param {string} request of the new device
   * @returns {Promise<string>} what makes it the owner
   */
  async allowMove(request) {
    const { kept, before } = await this.#proposals.owned();
    const identity = request.trim();
    if (!isIdentity(identity)) throw new SecureCallError("bad-move", "This is not what the new device shows; copy all of it.");
    const text = textOf(await following(before, await naming(identity)));
    await this.#around.keep((it) => it && { ...it, allowed: text });
    const previous = await signAsIdentity(kept.privateKey, text);
    return base64url(encoder.encode(JSON.stringify({ statement: text, previous })).buffer);
  }

  /** @param {string} allowed by the device that had the ID */
  async completeMove(allowed) {
    const kept = await this.#proposals.kept();
    const { text, statement, previous } = readMove(allowed);
    const { next } = kept ?? {};
    if (!next || statement.identity !== next.publicKey || statement.id !== this.#around.clientId) {
      throw new SecureCallError("bad-move", "The other device signed for another name, or for an older request of this one.");
    }
    return this.#proposals.askAsNobody(async (ask) => {
      const found = await this.#proposals.find(ask, undefined);
      const last = lastOf(found);
      if (last.text === text) return this.#proposals.adopt(found);
      return this.#proposals.propose(ask, next, statement, { previous }, pinnedOf(found));
    });
  }

  /**
   * @param {string} code
   * @param {string} directory
   */
  async #keyOf(code, directory) {
    return recoveryKey(await recoverySeed(await readRecoveryCode(code), directory, this.#around.clientId));
  }

  /**
   * @param {string} code
   * @param {Statement} before
   * @param {Statement} statement
   */
  async #signByCode(code, before, statement) {
    const key = await this.#keyOf(code, before.directory);
    if (key.publicKey === before.recovery) return key.sign(textOf(statement));
    const sentence = before.recovery === NOTHING
      ? "This name has no recovery code: only an operator of the server can give it free."
      : "This is not the recovery code of this name; it may be an older one, or that of another name.";
    throw new SecureCallError("bad-recovery-code", sentence);
  }
}

/** @param {string} publicKey which is published, too: older clients verify with what is published */
async function naming(publicKey) {
  return { identity: publicKey, key: await keyLine(publicKey) };
}

/** @param {Standing} found */
function lastOf({ chain }) {
  const last = chain.at(-1);
  if (last) return last;
  throw new SecureCallError("not-owner", "This name belongs to nobody, so there is nothing to bring back.");
}

/** @param {string} allowed */
function readMove(allowed) {
  try {
    const { statement: text, previous } = JSON.parse(new TextDecoder().decode(bytesOf(allowed.trim())));
    return { text, statement: parse(text), previous };
  } catch {
    throw new SecureCallError("bad-move", "This is not what the other device shows; copy all of it.");
  }
}
