#!/bin/bash
# Which m-lines an answer bundles.
#
# One would guess: at most those that the offer bundled. An answer has no BUNDLE group where the offer has none, and an
# m-line that the offer rejected, with port 0 and without `a=bundle-only`, is rejected in the answer and in no group
# (RFC 9143, section 7.3; RFC 3264, section 6).
# Seen with aiortc 1.16.0 (PyPI): its answer bundles every m-line, whatever was offered, and gives a rejected one a port
# of its own, which accepts it. libwebrtc, as of @roamhq/wrtc 0.10.0 (npm), refuses such an answer: InvalidAccessError.
# Why it matters: a call with such a bot goes well until somebody stops a transceiver, and the answer to the next offer
# cannot be set; who does not bundle cannot set the first. A direction "inactive" in place of `stop()` is understood.
#
# Needs node, npm and python3. Loopback only, but for the downloads.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @roamhq/wrtc@0.10.0 >/dev/null 2>&1
python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install aiortc==1.16.0 2>/dev/null
cat >aiortc_answers.py <<'END'
import asyncio
import json
import sys

from aiortc import RTCPeerConnection, RTCSessionDescription


async def main():
    peer = RTCPeerConnection()
    answers = []
    for sdp in json.load(sys.stdin):
        await peer.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        answers.append(peer.localDescription.sdp)
    await peer.close()
    json.dump(answers, sys.stdout)


asyncio.run(main())
END
cat >ask.mjs <<'END'
import { execFileSync } from "node:child_process";
import wrtc from "@roamhq/wrtc";

const ANSWERING = {
  async aiortc(offers) {
    return JSON.parse(execFileSync("venv/bin/python", ["aiortc_answers.py"], { input: JSON.stringify(offers) }));
  },
  async libwebrtc(offers) {
    const peer = new wrtc.RTCPeerConnection();
    const answers = [];
    for (const sdp of offers) {
      await peer.setRemoteDescription({ type: "offer", sdp });
      await peer.setLocalDescription(await peer.createAnswer());
      answers.push(peer.localDescription.sdp);
    }
    peer.close();
    return answers;
  },
};

const told = (sdp) => {
  const group = /^a=group:BUNDLE(.*)\r$/m.exec(sdp)?.[1].trim() ?? "none";
  const lines = [...sdp.matchAll(/^m=(\w+) (\d+)/gm)].map(([, kind, port]) => `${kind} ${port === "0" ? "rejected" : "accepted"}`);
  return `${lines.join(", ")}, group ${group}`;
};

/** Have a peer of libwebrtc offer, with its video stopped or inactive, or without a group, and take the answers. */
async function tried(answer, how) {
  const offering = new wrtc.RTCPeerConnection();
  offering.addTransceiver("audio");
  const video = offering.addTransceiver("video");
  const offers = [];
  let seen;
  const rounds = how === "no group" ? 1 : 2;
  for (let round = 1; round <= rounds; round += 1) {
    if (round === 2 && how === "stopped") video.stop();
    if (round === 2 && how === "inactive") video.direction = "inactive";
    const offer = await offering.createOffer();
    if (how === "no group") offer.sdp = offer.sdp.replace(/a=group:BUNDLE.*\r\n/, "");
    await offering.setLocalDescription(offer);
    offers.push(offering.localDescription.sdp);
    // Those before are replayed: each way of answering is one function of all offers.
    const sdp = (await answer(offers)).at(-1);
    seen = told(sdp);
    if (round === rounds) {
      seen += await offering.setRemoteDescription({ type: "answer", sdp }).then(() => "; set", ({ name }) => `; ${name}`);
    } else {
      await offering.setRemoteDescription({ type: "answer", sdp });
    }
  }
  offering.close();
  return seen;
}

const EXPECTED = {
  "aiortc, inactive": "audio accepted, video accepted, group 0 1; set",
  "aiortc, stopped": "audio accepted, video accepted, group 0 1; InvalidAccessError",
  "aiortc, no group": "audio accepted, video accepted, group 0 1; InvalidAccessError",
  "libwebrtc, inactive": "audio accepted, video accepted, group 0 1; set",
  "libwebrtc, stopped": "audio accepted, video rejected, group 0; set",
  "libwebrtc, no group": "audio accepted, video accepted, group none; set",
};
let changed = 0;
for (const [name, answer] of Object.entries(ANSWERING)) {
  for (const how of ["inactive", "stopped", "no group"]) {
    const seen = await tried(answer, how);
    const expected = EXPECTED[`${name}, ${how}`];
    changed += seen !== expected;
    console.log(`${name}, ${how}: ${seen}${seen === expected ? "" : `   CHANGED, was ${expected}`}`);
  }
}
process.exit(changed ? 1 : 0);
END
node ask.mjs
