/** What the page keeps in the browser, where the browser keeps anything for it. */

/** @param {"localStorage" | "sessionStorage"} where @param {string} name @returns {string | null} */
export function kept(where, name) {
  try {
    return globalThis[where].getItem(name);
  } catch {
    return null;
  }
}

/** @param {"localStorage" | "sessionStorage"} where @param {string} name @param {string} value */
export function keep(where, name, value) {
  try {
    globalThis[where].setItem(name, value);
  } catch {
    // It is as on the first visit next time.
  }
}
