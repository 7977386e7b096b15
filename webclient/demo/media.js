/** Microphone and camera, or as much of them as there is. */

import { demo } from "./state.js";

const PROBLEMS = {
  NotAllowedError: "Allow it in the browser’s address bar, and it works in the next call.",
  NotFoundError: "This device has none.",
  OverconstrainedError: "It is not there any more.",
  NotReadableError: "Another program may be using it.",
};

/**
 * Open the microphone and, if wanted, the camera; what is missing is left out and told of.
 *
 * @param {boolean} withVideo
 * @returns {Promise<{stream: MediaStream | null, problem: string | null}>} no stream: neither can be used
 */
export async function openMedia(withVideo) {
  if (!navigator.mediaDevices) {
    return { stream: null, problem: "Browsers give microphone and camera only to pages that come by https." };
  }
  try {
    return { stream: await getMedia({ audio: true, video: withVideo }), problem: null };
  } catch (error) {
    // Asked for both, the browser gives neither if one is missing.
    return withVideo ? openEither() : nothing("No microphone: you can hear, but not be heard.", error);
  }
}

/** @param {unknown} error of getUserMedia @returns {string} what to do about it */
export function explain(error) {
  return PROBLEMS[error?.name] ?? "The browser could not open it.";
}

async function openEither() {
  try {
    return { stream: await getMedia({ audio: true }), problem: "No camera: the other person hears you, but does not see you." };
  } catch {
    // It may be the microphone that is missing.
  }
  try {
    return { stream: await getMedia({ video: true }), problem: "No microphone: the other person sees you, but does not hear you." };
  } catch (error) {
    return nothing("No camera and no microphone: you can see and hear, but the other person gets nothing from you.", error);
  }
}

function nothing(consequence, error) {
  return { stream: null, problem: `${consequence} ${explain(error)}` };
}

function getMedia({ audio = false, video = false }) {
  return demo.devices.open({ audio, video });
}
