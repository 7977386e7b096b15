/**
 * What a page keeps of its call, for the same page when it is loaded anew.
 *
 * @typedef {object} Kept
 * @property {import("../securecall.js").CallStatus} status
 * @property {import("../securecall.js").Verification["status"] | undefined} verification
 * @property {number} generation how often a page of the call was loaded anew
 * @property {{audio: boolean, video: boolean}} sends
 */

/**
 * @param {string} place
 * @returns {Kept | null}
 */
export function readKept(place) {
  try {
    return JSON.parse(sessionStorage.getItem(place) ?? "null");
  } catch {
    // The browser keeps nothing for this page.
    return null;
  }
}

/**
 * @param {string} place
 * @param {Kept | null} kept
 */
export function keep(place, kept) {
  try {
    if (kept) sessionStorage.setItem(place, JSON.stringify(kept));
    else sessionStorage.removeItem(place);
  } catch {
    // A call of a page that keeps nothing ends with the page.
  }
}
