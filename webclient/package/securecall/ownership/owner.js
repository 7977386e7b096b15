/**
 * A client ID as its owner has it: registers by signature, and notices when somebody else changed it.
 *
 * @typedef {import("../../securecall.js").OwnerStatus} OwnerStatus
 * @typedef {import("../key-store.js").KeptIdentity} KeptIdentity
 * @typedef {import("./answers.js").Standing} Standing
 */

import { isLie, pinnedOf } from "../verdicts.js";
import { Acts } from "./acts.js";
import { stateOf, statusOf } from "./owner-status.js";
import { Proposals, isFinal } from "./proposals.js";
import { newRecoveryCode, readRecoveryCode } from "./recovery.js";
import { signAsIdentity } from "./signatures.js";
import { registration } from "./statements.js";

/** @implements {Pick<import("../../securecall.js").Owner, keyof import("../../securecall.js").Owner>} */
export class Owner {
  /** @type {OwnerStatus} */
  status;
  #around;
  #proposals;
  #acts;
  /** How many keys have signed on this connection. */
  #tried = 0;

  /** @param {import("./proposals.js").Surroundings} surroundings */
  constructor(surroundings) {
    this.#around = surroundings;
    this.#proposals = new Proposals(surroundings);
    this.#acts = new Acts(surroundings, this.#proposals);
    this.status = statusOf("unknown", surroundings.clientId, null);
  }

  newRecoveryCode() {
    return newRecoveryCode();
  }

  /**
   * @param {string} code
   * @param {string} typed
   */
  async isSameCode(code, typed) {
    const [one, other] = await Promise.all([code, typed].map(readRecoveryCode));
    return one.join() === other.join();
  }

  /** @param {string} [code] */
  claim(code) {
    return this.#after(this.#acts.claim(code));
  }

  /**
   * @param {string} code
   * @param {string} [oldCode]
   */
  setRecoveryCode(code, oldCode) {
    return this.#after(this.#acts.setRecoveryCode(code, oldCode));
  }

  rotate() {
    return this.#after(this.#acts.rotate());
  }

  /**
   * @param {string} code
   * @param {string} [newCode]
   */
  restore(code, newCode) {
    return this.#after(this.#acts.restore(code, newCode));
  }

  requestMove() {
    return this.#acts.requestMove();
  }

  /** @param {string} request */
  allowMove(request) {
    return this.#acts.allowMove(request);
  }

  /** @param {string} allowed */
  completeMove(allowed) {
    return this.#after(this.#acts.completeMove(allowed));
  }

  /**
   * Answer the challenge of a server that knows an owner of this ID: with the key of a statement that had no answer, then
   * with the one that is sure.
   *
   * @param {string | undefined} challenge undefined: the ID is closed, or the server registers owned IDs alone
   * @param {string} serverMessage
   */
  async challenged(challenge, serverMessage) {
    const { connection, clientId } = this.#around;
    if (challenge === undefined) {
      connection.stop(`The server does not let you in as ${clientId}. It says: “${serverMessage}”`);
      return;
    }
    // The first challenge of a connection, or the first one after a pause.
    if (!connection.proof) this.#tried = 0;
    const kept = await this.#proposals.kept();
    const key = [kept?.next, kept].filter((it) => it != null)[this.#tried];
    this.#tried += 1;
    if (!key) {
      await this.#shutOut(kept);
      return;
    }
    const text = registration(new URL(connection.url).host, clientId, challenge);
    connection.register({ challenge, signature: await signAsIdentity(key.privateKey, text) });
  }

  /** @param {KeptIdentity | null} kept whose signatures the server refused */
  async #shutOut(kept) {
    const found = await this.#lookUpAsNobody(kept).catch(() => null);
    const last = found?.chain.at(-1)?.statement;
    // The connection was another one by the time that this was signed; the next one is registered.
    if (last && [kept?.publicKey, kept?.next?.publicKey].includes(last.identity)) return;
    this.#settle(kept?.statement === undefined ? "foreign" : stateOf(kept, found), found);
    this.#around.connection.stop(this.status.sentence);
  }

  /** Look whether whoever registered as this ID elsewhere is its owner no less. */
  async superseded() {
    const kept = await this.#proposals.kept();
    if (kept?.statement === undefined) return;
    const found = await this.#lookUpAsNobody(kept).catch((error) => (isLie(error) ? null : undefined));
    if (found !== undefined) this.#settle(stateOf(kept, found), found);
  }

  /** @param {KeptIdentity | null} kept */
  #lookUpAsNobody(kept) {
    return this.#proposals.askAsNobody((ask) => this.#proposals.find(ask, kept ?? undefined));
  }

  /**
   * Judge what the directory says of this ID, and do what is left to do.
   *
   * @param {Standing} found
   * @param {boolean} isUnsigned whether this connection registered without a signature
   * @returns {Promise<OwnerStatus["state"]>}
   */
  async met(found, isUnsigned) {
    const kept = await this.#proposals.mustKeep();
    const last = found.chain.at(-1);
    const { next } = kept;
    if (next?.statement !== undefined) {
      if (last?.text === next.statement) return this.#after(this.#proposals.adopt(found));
      if (last?.text === kept.statement) return this.#after(this.#proposals.send(this.#proposals.ask, next, kept));
      await this.#proposals.drop();
    }
    if (kept.statement === undefined) return this.#metUnclaimed(kept, found);
    // From a server that had no public log there is no update of it yet.
    await this.#around.keep((before) => (before && before.statement === last?.text ? { ...before, ...pinnedOf(found) } : before));
    return this.#settle(isUnsigned ? "changed" : stateOf(kept, found), found);
  }

  /**
   * @param {KeptIdentity} kept
   * @param {Standing} found
   */
  async #metUnclaimed(kept, found) {
    const last = found.chain.at(-1);
    if (last && found.status !== "released") {
      if (last.statement.identity !== kept.publicKey) return this.#settle("foreign", found);
      await this.#around.keep((before) => before && { ...before, ...pinnedOf(found) });
      return this.#settle("owner", found);
    }
    if (this.#around.claims && found.status === "unsigned" && [null, kept.publicKey].includes(found.publicKey)) {
      try {
        return await this.claim();
      } catch (error) {
        // A key that was published less than a day ago claims nothing yet.
        if (!isFinal(error)) throw error;
      }
    }
    return this.#settle("free", found);
  }

  /** Tell that the directory's answer about this client's own ID does not follow from what this client sent. */
  async distrust() {
    const kept = await this.#proposals.kept();
    if (kept?.statement !== undefined) this.#settle("changed", null);
  }

  /** @param {Promise<Standing>} acting */
  async #after(acting) {
    return this.#settle("owner", await acting);
  }

  /**
   * @param {OwnerStatus["state"]} state
   * @param {Standing | null} found
   */
  #settle(state, found) {
    this.status = statusOf(state, this.#around.clientId, found);
    this.#around.tell("ownership", this.status);
    return state;
  }
}
