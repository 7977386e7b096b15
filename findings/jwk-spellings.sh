#!/bin/bash
# Whether a public key has one spelling as a JWK.
#
# One would guess: yes. exportKey("jwk") of the Web Crypto API says which members there are, of one key they have the same
# values, and the API's dictionary orders them: by JSON.stringify() the same key is the same text.
# Seen with Node 20.20.2, bun 1.4.5 and deno 2.9.6 (npm): three texts of one P-256 key and three of one Ed25519 key.
# The members stand in another order in each, deno adds `alg` to P-256, and node and bun add it to Ed25519.
# Why it matters: a directory, or a pin, that compares keys as texts sees a changed key, and warns, when one owner's key is
# registered by another runtime. Register SPKI in base64, or the members that RFC 7638 requires, in its order.
#
# Needs node and npm. Loopback only, but for the download.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund node@20.20.2 bun@1.4.5 deno@2.9.6 >/dev/null 2>&1
cat >export.mjs <<'END'
// RFC 7515, appendix A.3, and RFC 8037, appendix A.2
const KEYS = [
  [{ name: "ECDSA", namedCurve: "P-256" },
   { kty: "EC", crv: "P-256", x: "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", y: "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" }],
  [{ name: "Ed25519" }, { kty: "OKP", crv: "Ed25519", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }],
];
for (const [algorithm, jwk] of KEYS) {
  const key = await crypto.subtle.importKey("jwk", jwk, algorithm, true, ["verify"]);
  const members = Object.entries(await crypto.subtle.exportKey("jwk", key));
  console.log(members.map(([name, value]) => (name === "alg" ? `alg=${value}` : name)).join(" "));
}
END
cat >expected <<'END'
node: key_ops ext kty x y crv
node: key_ops ext crv x kty alg=Ed25519
bun: crv ext key_ops kty x y
bun: alg=Ed25519 crv ext key_ops kty x
deno: kty alg=ES256 crv x y key_ops ext
deno: kty crv x key_ops ext
END
for runtime in node bun deno; do
  node_modules/.bin/$runtime export.mjs | sed "s/^/$runtime: /"
done >seen
cat seen
diff expected seen
