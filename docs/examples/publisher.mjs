// Publishes events to the referral pipeline, with amqplib: events.ndjson has an event in CloudEvents JSON per line.
//
//     npm install amqplib
//     AMQP_URL=amqp://shop:...@broker/%2f node publisher.mjs < events.ndjson
//
// Ends with 0 once the broker has confirmed all of them. Whatever is not confirmed is sent again, byte for byte: an event
// that arrives twice counts once.
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import amqp from "amqplib";

const EXCHANGE = "referral.events";
const WINDOW = 100; // messages on their way at once
const waiting = new Map();
for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim()) waiting.set(waiting.size, line);
}

// Resolves once the broker has confirmed it; rejects where it does not, or where no queue took it.
function publish(channel, returned, number, event) {
  const { type } = JSON.parse(event);
  const options = {
    contentType: "application/cloudevents+json",
    messageId: String(number),
    persistent: true,
    mandatory: true, // a message that no queue takes comes back, before its confirm
  };
  return new Promise((resolve, reject) => {
    channel.publish(EXCHANGE, type.split(".")[1], Buffer.from(event), options, (error) => {
      if (error) reject(error);
      else if (returned.has(String(number))) reject(Object.assign(new Error("no queue takes it"), { isFinal: true }));
      else resolve(waiting.delete(number));
    });
  });
}

async function publishAll(url) {
  const connection = await amqp.connect(url);
  // Without a listener an error of the connection would end the program; the confirms say all that matters.
  connection.on("error", () => {});
  try {
    const channel = await connection.createConfirmChannel();
    channel.on("error", () => {});
    const returned = new Set();
    channel.on("return", (message) => returned.add(message.properties.messageId));
    while (waiting.size > 0) {
      const window = [...waiting].slice(0, WINDOW);
      await Promise.all(window.map(([number, event]) => publish(channel, returned, number, event)));
    }
  } finally {
    await connection.close().catch(() => {});
  }
}

while (waiting.size > 0) {
  try {
    await publishAll(process.env.AMQP_URL);
  } catch (error) {
    if (error.isFinal || /ACCESS_REFUSED|403/.test(error.message)) {
      console.error(`refused: ${error.message}`);
      process.exit(1);
    }
    console.error(`again in a second: ${error.message}`);
    await pause(1000);
  }
}
console.log("all confirmed");
