/**
 * What an application gives to begin with, checked.
 */

import { SecureCallError } from "./errors.js";
import { isClientId } from "./ids.js";

/** @param {unknown} clientId */
export function checkClientId(clientId) {
  if (isClientId(clientId)) return;
  const sentence = "A name has 1 to 64 letters, digits, hyphens or underscores, without spaces.";
  throw new SecureCallError("invalid-client-id", sentence);
}

/**
 * @param {string | URL} url
 * @returns {string}
 */
export function webSocketUrl(url) {
  try {
    const absolute = new URL(url, location.href);
    absolute.protocol = absolute.protocol.replace(/^http/, "ws");
    absolute.hash = "";
    if (/^wss?:$/.test(absolute.protocol)) return absolute.href;
  } catch {
    // Told below.
  }
  throw new SecureCallError("invalid-url", `${url} is not the address of a server; it looks like wss://host/signal.`);
}
