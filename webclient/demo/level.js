/** How loud the microphone is, while the dialog that chooses it is open. */

import { element } from "./page.js";

/** @type {{track: MediaStreamTrack, context: AudioContext} | null} */
let followed = null;

/** Show the level of a stream's microphone; null: of none any more. */
export function follow(stream) {
  const [track] = stream?.getAudioTracks() ?? [];
  if (followed?.track === track) return;
  followed?.context.close();
  followed = null;
  element("level").value = 0;
  if (!track) return;
  const context = new AudioContext();
  const analyser = new AnalyserNode(context);
  context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
  followed = { track, context };
  look(followed, analyser, new Float32Array(analyser.fftSize));
}

function look(one, analyser, samples) {
  if (followed !== one) return;
  if (!element("devices").open) {
    follow(null);
    return;
  }
  analyser.getFloatTimeDomainData(samples);
  element("level").value = Math.max(...samples.map(Math.abs));
  requestAnimationFrame(() => look(one, analyser, samples));
}
