/**
 * Do something with a track that was opened for it; stop it if that cannot be done, as nobody else knows of it.
 *
 * @param {MediaStreamTrack | null} track
 * @param {() => Promise<void>} run
 */
export async function orGiveBack(track, run) {
  try {
    await run();
  } catch (error) {
    track?.stop();
    throw error;
  }
}
