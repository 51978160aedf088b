// Verifies messages with mailauth and prints what it found as one line of JSON.
//
// PACKAGES is the folder whose node_modules holds it. Standard input is JSON: `zone` is names to
// TXT values, `messages` a list of messages in base64.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(`${process.env.PACKAGES}/`);
const { authenticate } = require("mailauth");

const { zone, messages } = JSON.parse(readFileSync(0, "utf8"));

async function resolver(name, type) {
  if (type === "TXT" && zone[name]) return [[zone[name]]];
  throw Object.assign(new Error(`no ${type} of ${name}`), { code: "ENOTFOUND" });
}

const found = [];
for (const message of messages) {
  const { dkim, arc } = await authenticate(Buffer.from(message, "base64"), {
    ip: "192.0.2.1",
    helo: "mx.example.test",
    sender: "ada@example.test",
    mta: "mx.example.test",
    resolver,
    disableDmarc: true,
    disableBimi: true,
  });
  found.push({
    dkim: dkim.results.map((each) => [each.algo, each.status.result]),
    arc: arc?.status?.result ?? "none",
    instances: arc?.i ?? 0,
  });
}
console.log(JSON.stringify(found));
