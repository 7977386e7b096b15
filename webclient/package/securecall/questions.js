/**
 * Questions to a directory about client IDs, and their answers.
 *
 * @typedef {(type: string, payload: Record<string, unknown>, answerType: string, matches: (payload: any) => boolean) =>
 *   Promise<any>} Ask
 */

/** Asks one thing after the other about an ID: an answer does not say to which question it is, and holds for one tree alone. */
export class Turns {
  /** @type {WeakMap<Ask, Map<string, Promise<unknown>>>} */
  #underWay = new WeakMap();

  /**
   * @template T
   * @param {Ask} ask
   * @param {string} clientId
   * @param {() => Promise<T>} run
   * @returns {Promise<T>}
   */
  async run(ask, clientId, run) {
    const turns = this.#underWay.get(ask) ?? new Map();
    this.#underWay.set(ask, turns);
    const before = turns.get(clientId);
    const turn = (async () => {
      await before?.catch(() => undefined);
      return run();
    })();
    turns.set(clientId, turn);
    try {
      return await turn;
    } finally {
      if (turns.get(clientId) === turn) turns.delete(clientId);
    }
  }
}

/** The answers about a client ID, as they came. */
export class Answers {
  /** @type {any[]} */
  all = [];
  #ask;
  #clientId;
  #statement;

  /**
   * @param {Ask} ask
   * @param {string} clientId
   * @param {Record<string, unknown>} [statement] what is sent in place of the first question
   */
  constructor(ask, clientId, statement) {
    this.#ask = ask;
    this.#clientId = clientId;
    this.#statement = statement;
  }

  /**
   * @param {number} after
   * @param {number} [size] of the tree that is known, where there is a log
   * @returns {Promise<any>}
   */
  async ask(after, size) {
    const clientId = this.#clientId;
    const isStatement = this.#statement !== undefined && this.all.length === 0;
    const question = { clientId, after, ...(size !== undefined && { size }), ...(isStatement && this.#statement) };
    const type = isStatement ? "PKD_REGISTER" : "PKD_LOOKUP";
    this.all.push(await this.#ask(type, question, "PKD_RESULT", (it) => it.clientId === clientId));
    return this.all.at(-1);
  }

  /** @returns {(after: number, size?: number) => Promise<any>} gives the answers that there are, then asks for more */
  again() {
    let given = 0;
    return async (after, size) => {
      given += 1;
      return given <= this.all.length ? this.all[given - 1] : this.ask(after, size);
    };
  }
}
