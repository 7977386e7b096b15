/**
 * What happens to the device and to the page that may have cost the connection.
 *
 * @typedef {import("./timers.js").Timers} Timers
 */

// Whoever wakes up finds a dead line 5 s later at most: this, and the time that an answer has.
const TICK_MS = 1_000;
const GAP_MS = 3_000;

/**
 * @param {Timers} timers
 * @param {AbortSignal} signal ends it
 * @param {{stirred: () => void, frozen: () => void}} listener `stirred`: the network may be another one; `frozen`: the
 *   page goes into the back/forward cache, in which it does nothing
 */
export function watchDevice(timers, signal, { stirred, frozen }) {
  const options = { signal };
  addEventListener("online", stirred, options);
  document.addEventListener("visibilitychange", () => document.hidden || stirred(), options);
  addEventListener("pageshow", ({ persisted }) => persisted && stirred(), options);
  // Browsers close a page that is really left, with 1001; one that they keep they leave open, and it seems to be online.
  addEventListener("pagehide", ({ persisted }) => persisted && frozen(), options);
  // Network Information API: Chromium's alone.
  /** @type {any} */
  const { connection } = navigator;
  connection?.addEventListener?.("change", stirred, options);
  watchClock(timers, signal, stirred);
}

/**
 * A gap between two ticks is a device that slept.
 *
 * @param {Timers} timers
 * @param {AbortSignal} signal
 * @param {() => void} stirred
 */
function watchClock(timers, signal, stirred) {
  let last = Date.now();
  const tick = () => {
    if (signal.aborted) return;
    const now = Date.now();
    if (now - last > TICK_MS + GAP_MS) stirred();
    last = now;
    timers.after(TICK_MS, tick);
  };
  timers.after(TICK_MS, tick);
}
