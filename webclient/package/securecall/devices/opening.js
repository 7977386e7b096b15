/**
 * Microphones, cameras and speakers: which there are, and opening them.
 *
 * @typedef {import("../../devices.js").DeviceKind} DeviceKind
 * @typedef {Record<DeviceKind, string | null>} Chosen
 */

/** @type {Record<MediaDeviceKind, DeviceKind>} */
const KINDS = { audioinput: "microphone", videoinput: "camera", audiooutput: "speaker" };
const GONE = ["OverconstrainedError", "NotFoundError"];

/**
 * @param {Chosen} chosen
 * @returns {Promise<import("../../devices.js").Device[]>}
 */
export async function listDevices(chosen) {
  const found = await navigator.mediaDevices.enumerateDevices();
  // Before anything may be opened, browsers say of what kinds there are, and no more.
  const named = found.filter(({ deviceId }) => deviceId).map(({ kind, deviceId: id, label }) => ({ kind: KINDS[kind], id, label }));
  return named.map((device) => ({ ...device, isChosen: chosen[device.kind] === device.id }));
}

/**
 * Open what was chosen, or what there is where that is gone.
 *
 * @param {{audio: boolean, video: boolean}} wanted
 * @param {Chosen} chosen
 */
export async function openChosen({ audio, video }, { microphone, camera }) {
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: audio && only(microphone), video: video && only(camera) });
  } catch (error) {
    const isChosen = (audio && microphone) || (video && camera);
    if (!isChosen || !(error instanceof Error) || !GONE.includes(error.name)) throw error;
    const found = (await navigator.mediaDevices.enumerateDevices()).map(({ deviceId }) => deviceId);
    // One of the two may be there.
    const [audioId, videoId] = [microphone, camera].map((id) => (id && found.includes(id) ? id : null));
    return navigator.mediaDevices.getUserMedia({ audio: audio && only(audioId), video: video && only(videoId) });
  }
}

/**
 * Open another device of a kind than the one of `old`, which is stopped where there is no other way.
 *
 * @param {MediaStreamTrack} old
 * @param {string | null} id null: the browser's own choice
 * @returns {Promise<{track: MediaStreamTrack | null, error?: unknown}>} `error`: why it is the one of `old` again, or none
 */
export async function openInsteadOf(old, id) {
  const { deviceId } = old.getSettings();
  /** @param {string | null} it */
  const open = async (it) => (await navigator.mediaDevices.getUserMedia({ [old.kind]: only(it) })).getTracks()[0];
  try {
    return { track: await open(id) };
  } catch (error) {
    // Phones open one camera at a time.
    if (!(error instanceof Error) || error.name !== "NotReadableError") throw error;
    old.stop();
  }
  try {
    return { track: await open(id) };
  } catch (error) {
    return { track: await open(deviceId ?? null).catch(() => null), error };
  }
}

/** @param {string | null} id */
function only(id) {
  return id ? { deviceId: { exact: id } } : true;
}
