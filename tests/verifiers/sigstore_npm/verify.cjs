// Verify cases of a transparency log with sigstore's npm verifier: the log's signature, and inclusion.
//
// Its public interface takes signed artefacts alone, so its check of an entry is called here as it calls it itself.
"use strict";

const crypto = require("node:crypto");
const fs = require("node:fs");
const { verifyTLogInclusion } = require("@sigstore/verify/dist/tlog");

const SPKI = Buffer.from("302a300506032b6570032100", "hex");

const given = JSON.parse(fs.readFileSync(0, "utf8"));
const [name, keyId] = given.vkey.split("+", 2);
const key = Buffer.from(given.vkey.slice(name.length + keyId.length + 2), "base64").subarray(1);
const log = {
  baseURL: name,
  logID: Buffer.from(keyId, "hex"),
  publicKey: crypto.createPublicKey({ key: Buffer.concat([SPKI, key]), format: "der", type: "spki" }),
};

const verdicts = given.cases.map((one) => {
  const entry = {
    canonicalizedBody: Buffer.from(one.entry, "base64"),
    inclusionProof: {
      logIndex: String(one.number),
      hashes: one.inclusion.map((hash) => Buffer.from(hash, "base64")),
      checkpoint: { envelope: one.checkpoint },
    },
  };
  try {
    verifyTLogInclusion(entry, [log]);
    return "";
  } catch (error) {
    return String(error);
  }
});
process.stdout.write(JSON.stringify(verdicts));
