/** The focus of somebody without a mouse, which a browser drops when what has it is hidden or disabled. */

import { element } from "./page.js";

/** @type {HTMLButtonElement | null} what had the focus, and gets it again when it can be used again */
let waiting = null;

/** Give the focus back to what can be used again, and that of something hidden to the element with this ID. */
export function keepFocus(id) {
  const focused = document.activeElement;
  if (focused && focused !== document.body) {
    waiting = focused.disabled ? focused : null;
    if (focused.getClientRects().length === 0) element(id).focus();
  } else if (waiting && !waiting.disabled) {
    waiting.focus({ preventScroll: true });
    waiting = null;
  }
}
