#!/bin/bash
# How often a peer connection says that no candidate follows.
#
# One would guess: once. The null candidate is dispatched when gathering is complete (W3C webrtc-pc, section 4.8.2);
# what ends one m-line, or one generation, is a candidate with an empty text.
# Seen with werift 0.25.2 (npm): where the lines are bundled by the default policy, before the answer, null comes once for
# each m-line of the offer: three times for audio, video and data.
# Why it matters: `candidate: null` is relayed as it came, so a peer gets it three times, and again with each m-line
# that is added. Who counts it, or takes the first for the end of all, stops early.
#
# Needs node and npm. Loopback only, but for the download.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund werift@0.25.2 >/dev/null 2>&1
cat >ask.mjs <<'END'
import { RTCPeerConnection } from "werift";

async function nullsOf(lines) {
  const rtc = new RTCPeerConnection({});
  for (const line of lines) line === "data" ? rtc.createDataChannel("data") : rtc.addTransceiver(line);
  let nulls = 0;
  const isComplete = new Promise((resolve) => {
    rtc.iceGatheringStateChange.subscribe((state) => state === "complete" && resolve());
  });
  rtc.onIceCandidate.subscribe((candidate) => { if (!candidate) nulls += 1; });
  await rtc.setLocalDescription(await rtc.createOffer());
  await isComplete;
  // What is dispatched in the same turn.
  await new Promise((resolve) => setImmediate(resolve));
  await rtc.close();
  return nulls;
}

let changed = 0;
for (const [lines, expected] of [[["audio"], 1], [["audio", "video"], 2], [["audio", "video", "data"], 3]]) {
  const nulls = await nullsOf(lines);
  changed += nulls !== expected;
  console.log(`${lines.join(", ")}: null ${nulls} times${nulls === expected ? "" : `   CHANGED, was ${expected}`}`);
}
process.exit(changed ? 1 : 0);
END
node ask.mjs
