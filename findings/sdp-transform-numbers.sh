#!/bin/bash
# Whether a description that was read by sdp-transform names its ICE user fragment as a text.
#
# One would guess: always. `ice-ufrag` and `mid` are texts (RFC 8839, section 5.4; RFC 5888, section 4), and a candidate
# has them as such (`usernameFragment`, `sdpMid`).
# Seen with sdp-transform 3.0.0 (npm): any value that reads like a number becomes one. A `mid` of a browser always does; a
# user fragment when it happens to be of digits that begin with no 0, one of 1,864 that Chromium makes (4 of 64
# characters), and where it is "NaN" or "Infinity", which JSON then has as null.
# Why it matters: who sorts relayed candidates by the description they belong to, with ===, matches none by `mid`, and
# drops all of one call in a thousand: nobody sees it twice. Compare with String().
#
# Needs node and npm. Loopback only, but for the download.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund sdp-transform@3.0.0 >/dev/null 2>&1
cat >ask.mjs <<'END'
import { parse } from "sdp-transform";

const described = (ufrag, mid) =>
  [
    "v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "m=audio 9 UDP/TLS/RTP/SAVPF 0", "c=IN IP4 0.0.0.0",
    `a=ice-ufrag:${ufrag}`, "a=ice-pwd:abcdefghijklmnopqrstuv", `a=mid:${mid}`, "",
  ].join("\r\n");
const EXPECTED = {
  aB3d: '"aB3d"', 4711: "4711", "0471": '"0471"', "47/1": '"47/1"', Infinity: "null", "mid 0": "0", "mid audio": '"audio"',
};
let changed = 0;
for (const [what, expected] of Object.entries(EXPECTED)) {
  const isMid = what.startsWith("mid ");
  const [media] = parse(isMid ? described("aB3d", what.slice(4)) : described(what, "0")).media;
  const value = isMid ? media.mid : media.iceUfrag;
  const seen = JSON.stringify(value);
  changed += seen !== expected;
  console.log(`${what}: a ${typeof value}, ${seen} in JSON${seen === expected ? "" : `   CHANGED, was ${expected}`}`);
}
process.exit(changed ? 1 : 0);
END
node ask.mjs
