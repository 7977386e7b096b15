/** The sound of a call that comes in. */

const RING_SECONDS = 3;
// Longer than any server lets a call ring.
const RINGS = 40;
const TONES = [659.3, 880];
const VOLUME = 0.12;

/** @type {AudioContext | null} */
let context = null;

/** Ring, or stop; the same again changes nothing. */
export function ring(isRinging) {
  if (isRinging === Boolean(context)) return;
  if (!isRinging) {
    context.close();
    context = null;
    return;
  }
  context = new AudioContext();
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
