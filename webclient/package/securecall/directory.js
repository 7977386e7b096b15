/**
 * The directory of a server: what it says of a client ID, and whether that follows from what is known.
 *
 * @typedef {import("./key-store.js").KeyStore} KeyStore
 * @typedef {import("./ownership/answers.js").Standing} Standing
 * @typedef {{directory: undefined, publicKey: string | null}} Unchecked the answer of a server where no ID belongs to a key
 * @typedef {(type: string, payload: Record<string, unknown>, answerType: string, matches: (payload: any) => boolean) =>
 *   Promise<any>} Ask
 */

/** Looks client IDs up. */
export class Directory {
  #store;
  #host;
  #tell;
  #expected;
  /** @type {string | undefined} the name by which its statements call it; undefined: it has told none */
  #name;

  /**
   * @param {KeyStore} store
   * @param {string} host of the server
   * @param {(type: string, detail: unknown) => void} tell
   * @param {string} [expected] the name that the application knows
   */
  constructor(store, host, tell, expected) {
    this.#store = store;
    this.#host = host;
    this.#tell = tell;
    this.#expected = expected;
  }

  /**
   * Look a client ID up.
   *
   * @param {Ask} ask
   * @param {string} clientId
   * @param {string} [pinned] the statement that is known
   * @param {Record<string, unknown>} [statement] what is sent in place of the first question: its answer is one to that, too
   * @returns {Promise<Standing | Unchecked>}
   * @throws {import("./errors.js").SecureCallError} `refused-answer`, after an "evidence" event, and what `ask` throws
   */
  async find(ask, clientId, pinned, statement) {
    /** @type {any[]} */
    const answers = [];
    const asks = async (/** @type {number} */ after) => {
      const isStatement = statement !== undefined && answers.length === 0;
      const type = isStatement ? "PKD_REGISTER" : "PKD_LOOKUP";
      const question = { clientId, after, ...(isStatement && statement) };
      answers.push(await ask(type, question, "PKD_RESULT", (it) => it.clientId === clientId));
      return answers.at(-1);
    };
    const name = await this.#knownName();
    const first = await asks(Number(/^seq (\d+)$/m.exec(pinned ?? "")?.[1] ?? -1));
    if (first.directory === undefined && name === undefined && pinned === undefined) {
      return { directory: undefined, publicKey: first.publicKey };
    }
    const { RefusedAnswer, readAnswers } = await import("./ownership/answers.js");
    try {
      let isFirst = true;
      const found = await readAnswers(clientId, name, pinned, async (after) => {
        const answer = isFirst ? first : await asks(after);
        isFirst = false;
        return answer;
      });
      await this.#keepName(found.directory);
      return found;
    } catch (error) {
      if (!(error instanceof RefusedAnswer)) throw error;
      this.#refuse(clientId, error, answers, pinned);
      throw error;
    }
  }

  /**
   * @param {string} clientId
   * @param {import("./ownership/answers.js").RefusedAnswer} refused
   * @param {unknown[]} answers
   * @param {string} [pinned]
   */
  #refuse(clientId, { message, rule }, answers, pinned) {
    const evidence = { clientId, rule, sentence: message, answers, pinned: pinned ?? null, directory: this.#name ?? null, at: Date.now() };
    this.#tell("evidence", Object.freeze(evidence));
  }

  async #knownName() {
    // Beside the pins, whose places have the IDs of two clients in them.
    const kept = await this.#store.update("pins", this.#host, (/** @type {{directory: string} | null} */ before) => before);
    this.#name = this.#expected ?? kept?.directory;
    return this.#name;
  }

  /** @param {string} directory */
  async #keepName(directory) {
    await this.#store.update("pins", this.#host, (/** @type {{directory: string} | null} */ before) => before ?? { directory });
  }
}
