/** What is told of the server's public record, where it is not as it should be. */

import { ongoing } from "./screen.js";
import { demo, notify, update } from "./state.js";

const TONES = { replaced: "bad", split: "bad", unaudited: "warning" };

/** Follow what the client tells of the record; that it agrees stands beside each key. */
export function recordChanged(record) {
  demo.record = record;
  const { state, sentence } = record;
  const action = state === "replaced" ? { label: "Go on with the new one", run: accept } : undefined;
  if (state in TONES) notify(sentence, TONES[state], action);
  else update();
}

async function accept() {
  demo.record = null;
  demo.notice = null;
  try {
    await demo.client.acceptRecord();
    if (ongoing(demo.client)) await demo.client.lookUpPeerKey();
    update();
  } catch (error) {
    notify(error.message, "bad");
  }
}
