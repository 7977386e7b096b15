/**
 * Something that is made when it is wanted first, and kept; what could not be made is made anew.
 *
 * @template T
 */
export class Once {
  /** @type {Promise<T> | null} */
  #made = null;
  #make;

  /** @param {() => Promise<T>} make */
  constructor(make) {
    this.#make = make;
  }

  /** @returns {Promise<T>} */
  get() {
    this.#made ??= this.#make().catch((error) => {
      this.#made = null;
      throw error;
    });
    return this.#made;
  }
}
