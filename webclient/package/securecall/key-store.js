/**
 * What the browser keeps about keys.
 */

/**
 * What the browser keeps: `identities` by server and own ID, `pins` by server, own ID and the peer's; beside them, by the
 * server alone, its directory and public log (`KeptRecord`).
 *
 * @typedef {{privateKey: CryptoKey, publicKey: string, statement: string, signatures: {identity: string, previous?: string,
 *   recovery?: string}}} KeptStatement
 * @typedef {import("./record/check.js").Pinned & {privateKey: CryptoKey, publicKey: string, allowed?: string,
 *   next?: KeptStatement | {privateKey: CryptoKey, publicKey: string, statement?: undefined}}} KeptIdentity `statement`: the
 *   last one, if the ID belongs to this key; `next`: one that had no answer yet; `allowed`: one that another device may send
 * @typedef {import("./record/check.js").Pinned & {publicKey: string, pinnedAt: number, isVerified: boolean,
 *   hasSigned: boolean}} Pin `statement`: the last one that was seen, if the peer's ID belongs to a key, which is `publicKey`
 */
export class KeyStore {
  /** @type {Promise<IDBDatabase | null>} */
  #database;
  /** @type {Map<string, any>} in place of a database that cannot be used */
  #memory = new Map();

  /** @param {() => void} onUnavailable */
  constructor(onUnavailable) {
    this.#database = KeyStore.#open().catch(() => {
      onUnavailable();
      return null;
    });
  }

  /** @returns {Promise<IDBDatabase>} */
  static #open() {
    return new Promise((resolve, reject) => {
      const request = indexedDB.open("securecall", 1);
      request.onupgradeneeded = () => {
        request.result.createObjectStore("identities");
        request.result.createObjectStore("pins");
      };
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  }

  /**
   * Change a record in one transaction, in which no other tab comes between. `change` returns the new record, the one
   * it got to leave it, or null to delete it.
   *
   * @template T
   * @param {"identities" | "pins"} store
   * @param {string} key
   * @param {(record: T | null) => T | null} change
   * @returns {Promise<T | null>} the record afterwards
   */
  async update(store, key, change) {
    const database = await this.#database;
    if (!database) {
      const record = change(this.#memory.get(`${store} ${key}`) ?? null);
      this.#memory.set(`${store} ${key}`, record);
      return record;
    }
    return new Promise((resolve, reject) => {
      const transaction = database.transaction(store, "readwrite");
      const records = transaction.objectStore(store);
      /** @type {T | null} */
      let after = null;
      const reading = records.get(key);
      reading.onsuccess = () => {
        const before = reading.result ?? null;
        after = change(before);
        if (after === null) records.delete(key);
        else if (after !== before) records.put(after, key);
      };
      transaction.oncomplete = () => resolve(after);
      transaction.onabort = () => reject(transaction.error);
    });
  }
}
