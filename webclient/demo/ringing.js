/** The sound of a call that comes in. */

const RING_SECONDS = 3;
// Longer than any server lets a call ring.
const RINGS = 40;
const TONES = [659.3, 880];
const VOLUME = 0.12;

// What may be heard is, by then.
const START_MS = 700;

/** @type {AudioContext | null} */
let context = null;
let isLate = false;

/** Whether the browser keeps it silent: it lets no page make a sound that nobody has touched. */
export function isSilent() {
  return isLate && context?.state === "suspended";
}

/** Let it be heard: somebody touches the page. */
export function allow() {
  context?.resume();
}

/**
 * Ring, or stop; the same again changes nothing.
 *
 * @param {boolean} isRinging
 * @param {() => void} changed called when it becomes known whether it is heard
 */
export function ring(isRinging, changed) {
  if (isRinging === Boolean(context)) return;
  isLate = false;
  if (!isRinging) {
    context.close();
    context = null;
    return;
  }
  const made = new AudioContext();
  context = made;
  made.onstatechange = changed;
  setTimeout(() => {
    isLate = made === context;
    changed();
  }, START_MS);
  // All of it at once, on the clock of the sound: timers of hidden pages come late.
  for (let count = 0; count < RINGS; count++) {
    TONES.forEach((hertz, index) => tone(hertz, count * RING_SECONDS + index * 0.28));
  }
}

function tone(hertz, at) {
  const volume = new GainNode(context, { gain: 0 });
  volume.gain.setValueAtTime(0, at);
  volume.gain.linearRampToValueAtTime(VOLUME, at + 0.03);
  volume.gain.exponentialRampToValueAtTime(0.001, at + 0.9);
  const oscillator = new OscillatorNode(context, { frequency: hertz });
  oscillator.connect(volume).connect(context.destination);
  oscillator.start(at);
  oscillator.stop(at + 1);
}
