// A billing system's receiver of our webhooks, with Node's standard library alone.
//
//     WEBHOOK_SECRETS=whsec_... LEDGER=ledger.jsonl PORT=9000 node receiver.mjs
//
// Verifies the signature, charges each webhook-id once however often it comes, answers fast.
import { createHmac, timingSafeEqual } from "node:crypto";
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { createServer } from "node:http";

const TOLERANCE = 300; // seconds that a webhook-timestamp may be off
const BODY_MAX = 65536;
const secrets = process.env.WEBHOOK_SECRETS.split(",").map((secret) =>
  Buffer.from(secret.trim().replace(/^whsec_/, ""), "base64"),
);

// A file of what was charged, a line each; written to disk before it counts.
const path = process.env.LEDGER;
const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n").filter(Boolean) : [];
const seen = new Set(lines.map((line) => JSON.parse(line).webhook_id));
const file = openSync(path, "a");

// Runs to its end without a pause, so that of two copies at once one is charged.
function charge(webhookId, user, amount) {
  if (seen.has(webhookId)) return;
  writeSync(file, JSON.stringify({ webhook_id: webhookId, user, amount }) + "\n");
  fsyncSync(file);
  seen.add(webhookId);
}

function isGenuine(headers, body) {
  const id = headers["webhook-id"] ?? "";
  const timestamp = headers["webhook-timestamp"] ?? "";
  const off = Math.abs(Date.now() / 1000 - Number(timestamp));
  if (!id || !/^\d+$/.test(timestamp) || off > TOLERANCE) return false;
  const given = (headers["webhook-signature"] ?? "").split(" ").map((one) => Buffer.from(one));
  const isOneOf = secrets.map((secret) => {
    const mac = createHmac("sha256", secret).update(`${id}.${timestamp}.`).update(body).digest("base64");
    const expected = Buffer.from(`v1,${mac}`);
    // Every pair, in constant time: secrets rotate on both sides.
    return given.map((one) => one.length === expected.length && timingSafeEqual(one, expected)).includes(true);
  });
  return isOneOf.includes(true);
}

async function read(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > BODY_MAX) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const server = createServer(async (request, response) => {
  const answer = (status) => response.writeHead(status).end();
  try {
    const body = await read(request);
    if (body === null) return answer(413);
    if (request.method !== "POST" || !isGenuine(request.headers, body)) return answer(401);
    const fields = new URLSearchParams(body.toString());
    // The credited user is in the path: ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP=http://HOST:PORT/credits/%s
    const user = decodeURIComponent(request.url.split("/").at(-1));
    charge(request.headers["webhook-id"], user, fields.get("amount"));
    answer(204); // also for a copy: it is charged already
  } catch (error) {
    console.error(error);
    answer(500); // it comes again
  }
});
server.listen(Number(process.env.PORT ?? 0), "127.0.0.1", () => {
  console.log(`listening at http://127.0.0.1:${server.address().port}`);
});
process.on("exit", () => closeSync(file));
