/** What makes a call comfortable: the screen stays on, and the picture may be large, or beside other windows. */

import { element, show } from "./page.js";
import { explain } from "./media.js";
import { ongoing } from "./screen.js";
import { demo, notify } from "./state.js";

/** @type {WakeLockSentinel | null} */
let lock = null;
let isAsking = false;

/** Keep the screen on while people talk, and no longer. Browsers take it away from pages that are hidden. */
export async function keepAwake() {
  const isWanted = Boolean(ongoing(demo.client)?.connectedAt) && document.visibilityState === "visible";
  if (!isWanted) {
    lock?.release();
    lock = null;
  } else if (navigator.wakeLock && !isAsking && (lock?.released ?? true)) {
    isAsking = true;
    lock = await navigator.wakeLock.request("screen").catch(() => null);
    isAsking = false;
    // The call may be over by now.
    if (lock) keepAwake();
  }
}

/** Show what this browser can do. */
export function renderComfort({ seesPeer }) {
  show("full-screen", document.fullscreenEnabled);
  show("picture", Boolean(document.pictureInPictureEnabled));
  element("picture").disabled = !seesPeer;
  element("full-screen").setAttribute("aria-pressed", String(Boolean(document.fullscreenElement)));
}

/** Let the call fill the screen: all of it, as alarms, messages and the way back stand beside the picture. */
export function toggleFullScreen() {
  return attempt(() => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen()));
}

/** Show the peer's picture in a window of its own, above all others. */
export function togglePicture() {
  return attempt(() => (document.pictureInPictureElement ? document.exitPictureInPicture() : element("remote").requestPictureInPicture()));
}

/** A call is over: nothing of it stays before what comes next. */
export function leaveComfort() {
  if (document.fullscreenElement) document.exitFullscreen().catch(() => {});
  if (document.pictureInPictureElement) document.exitPictureInPicture().catch(() => {});
}

async function attempt(run) {
  try {
    await run();
  } catch (error) {
    notify(explain(error), "warning");
  }
}
