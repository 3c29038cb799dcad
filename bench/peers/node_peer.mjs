// The clicks of daily-records in Node: amqplib and a pg pool, up to 200 at once, until SIGTERM.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';

const { AMQP_URL, DATABASE_URL, PEERS_DIR, QUEUE } = process.env;
const require = createRequire(`${resolve(PEERS_DIR)}/`);
const amqp = require('amqplib');
const { Pool } = require('pg');

const insertClick = {
  name: 'insert-click',
  text: `INSERT INTO peer_click (source, event_id, domain, code, time, ip, user_agent, referrer)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (source, event_id) DO NOTHING`,
};
const countClick = {
  name: 'count-click',
  text: `INSERT INTO peer_daily (domain, day, code, clicks) VALUES ($1, $2, $3, 1)
    ON CONFLICT (domain, day, code) DO UPDATE SET clicks = peer_daily.clicks + 1`,
};

const pool = new Pool({ connectionString: DATABASE_URL, max: 10 });
// Unheard, a lost connection ends the process; the first is for idle ones, the second for those in use.
pool.on('error', console.error);
pool.on('connect', (client) => client.on('error', console.error));
await pool.query(readFileSync(new URL('schema.sql', import.meta.url), 'utf8'));

async function recordClick({ source, id, domain = "default", time, data }) {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const { rowCount } = await client.query({
      ...insertClick,
      values: [source, id, domain, data.code, time, data.ip, data.user_agent, data.referrer],
    });
    if (rowCount === 1) {
      const day = new Date(time).toISOString().slice(0, 10);
      await client.query({ ...countClick, values: [domain, day, data.code] });
    }
    await client.query('COMMIT');
    client.release();
  } catch (error) {
    client.release(error);
    throw error;
  }
}

const connection = await amqp.connect(AMQP_URL);
const channel = await connection.createChannel();
await channel.prefetch(200);

async function handle(message) {
  try {
    await recordClick(JSON.parse(message.content));
    channel.ack(message);
  } catch (error) {
    console.error(error);
    channel.nack(message);
  }
}

const running = new Set();
const { consumerTag } = await channel.consume(QUEUE, (message) => {
  const one = handle(message).finally(() => running.delete(one));
  running.add(one);
});

process.once('SIGTERM', async () => {
  await channel.cancel(consumerTag);
  await Promise.all(running);
  await channel.close();
  await connection.close();
  await pool.end();
});
