/**
 * Why a server does not take a connection, as far as a page can know.
 */

/**
 * Ask the server over HTTP whether it is there. One that is, and takes no WebSocket, has refused it.
 *
 * @param {string} url of the WebSocket
 * @returns {Promise<string | null>} null: it cannot be reached, or the page's policy forbids to ask
 */
export async function refusalOf(url) {
  try {
    const health = new URL("health", url.replace(/^ws/, "http"));
    // What another host answers is hidden from the page, but not that it answers.
    const { ok, type } = await fetch(health, { mode: "no-cors", cache: "no-store" });
    if (!ok && type !== "opaque") return null;
  } catch {
    return null;
  }
  return `The server can be reached, but refuses the connection. It may not allow pages from ${location.origin}: its operator can mend that.`;
}
