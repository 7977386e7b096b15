/** A link by which somebody calls: to copy, to send by the device's own means, or to be read by a camera. */

import { element, show, write } from "./page.js";
import { qrPathOfLink } from "./qr.js";
import { demo, notify } from "./state.js";

/** Show the link to who is here. Whoever opens it chooses a name first, and calls by that. */
export function showInvitation() {
  const link = new URL("?" + new URLSearchParams({ call: demo.client.clientId }), new URL(location.pathname, location.href)).href;
  element("invitation-link").value = link;
  write("invitation-copied", "");
  show("share-link", Boolean(navigator.canShare?.({ url: link })));
  drawCode(link);
  element("invitation").showModal();
  element("invitation-link").select();
}

/** Put the link into the clipboard, or say how else. */
export async function copyInvitation() {
  const field = element("invitation-link");
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    write("invitation-copied", "Copied.");
  } catch {
    // Only pages that come by https may.
    write("invitation-copied", "The browser did not copy it. It is marked: copy it with the keyboard, or by a long press.");
  }
}

/** Let the device ask whom to send it to. */
export async function shareInvitation() {
  try {
    await navigator.share({ url: element("invitation-link").value });
  } catch (error) {
    if (error.name !== "AbortError") notify("The device could not send the link. Copy it instead.", "warning");
  }
}

function drawCode(link) {
  const code = element("invitation-code");
  try {
    const { path, size } = qrPathOfLink(link);
    code.setAttribute("viewBox", `0 0 ${size} ${size}`);
    element("invitation-path").setAttribute("d", path);
    code.removeAttribute("hidden");
  } catch {
    // An address that is too long for it can still be copied.
    code.setAttribute("hidden", "");
  }
}
