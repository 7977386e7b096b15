/**
 * Timers for securecall.js. Browsers fire the timers of hidden pages once a minute, too late for a heartbeat; those of
 * workers go on.
 *
 * `{id, delayMs}` sets a timer, which posts its `id`; `{id, delayMs: null}` clears it. `delayMs` has 31 bits: beyond them
 * browsers would not wait at all.
 */
const LONGEST_MS = 2 ** 31 - 1;
const timers = new Map();

self.addEventListener("message", ({ data: { id, delayMs } }) => {
  clearTimeout(timers.get(id));
  timers.delete(id);
  if (delayMs === null) return;
  const fire = () => {
    timers.delete(id);
    self.postMessage(id);
  };
  timers.set(id, setTimeout(fire, Math.min(delayMs, LONGEST_MS)));
});
