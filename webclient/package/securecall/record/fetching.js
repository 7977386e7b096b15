/**
 * Small files of a server or an auditor, over HTTP.
 */

const FETCH_MS = 10_000;

/**
 * @param {string | URL} url
 * @returns {Promise<string | null>} null: it cannot be reached, or the page's policy forbids to ask
 */
export async function fetchedText(url) {
  try {
    const answer = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(FETCH_MS) });
    return answer.ok ? await answer.text() : null;
  } catch {
    return null;
  }
}
