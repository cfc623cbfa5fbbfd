// A session of node-postgres, written down line by line. The connection comes from libpq's variables; QG_MASKED says that this account
// sees masks. The same lines are expected past the gateway and through it, but for masked values.
'use strict';
const fs = require('fs');
const { createRequire } = require('module');
const { pipeline } = require('stream/promises');
const { Readable, Writable } = require('stream');

const load = createRequire(process.env.QUERYGATE_NODE_MODULES + '/');
const { Client, Pool, Query, types } = load('pg');
const Cursor = load('pg-cursor');
const { from: copyFrom, to: copyTo } = load('pg-copy-streams');

const MASKED = 'QG_MASKED' in process.env;
const ssl = process.env.PGSSLROOTCERT ? { ca: fs.readFileSync(process.env.PGSSLROOTCERT, 'utf8') } : false;

const say = (what, value) => console.log(`${what}: ${JSON.stringify(value)}`);

async function failing(what, promise) {
  try {
    say(what, (await promise).rows);
  } catch (e) {
    say(what, [e.code, e.severity, e.constraint]);
  }
}

async function queries(c) {
  say('encrypted', Boolean(c.connection.stream.encrypted));
  const simple = await c.query('SELECT id, name, email, ssn FROM people ORDER BY id LIMIT 3');
  say('simple', simple.rows);
  say('fields', simple.fields.map((f) => [f.name, f.dataTypeID, f.columnID]));
  say('values', (await c.query('SELECT id, email FROM people WHERE id = $1', [4])).rows);
  say('array', (await c.query({ text: 'SELECT ssn, id FROM people WHERE id < $1 ORDER BY id', values: [3], rowMode: 'array' })).rows);
  say('binary', (await c.query({ text: 'SELECT id, name FROM people WHERE id < $1 ORDER BY id', values: [3], binary: true })).rows);
  for (let i = 1; i < 4; i += 1) {
    say('named', (await c.query({ name: 'by id', text: 'SELECT email FROM people WHERE id = $1', values: [i] })).rows);
  }
  const several = await c.query('SELECT 1 AS one; SELECT email FROM people WHERE id = 1; UPDATE items SET label = label WHERE id = 0');
  say('several', several.map((r) => [r.command, r.rowCount, r.rows]));
  say('joined', (await c.query('SELECT o.id, p.email, o.amount FROM orders o JOIN people p ON p.id = o.person_id WHERE o.id < $1 ORDER BY o.id', [4])).rows);
  say('typed', (await c.query('SELECT $1::jsonb AS doc, $2::int[] AS list, $3::timestamptz AS moment, $4::bytea AS bytes, $5::numeric AS exact', [{ a: [1] }, [1, 2], new Date(0), Buffer.from([0, 255]), '1.50'])).rows);
  say('in', (await c.query('SELECT id FROM orders WHERE id = ANY($1) ORDER BY id', [[3, 1, 2]])).rows);
}

async function transactions(c) {
  await c.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
  await c.query('INSERT INTO items VALUES ($1, $2)', [10, 'outer']);
  await c.query('SAVEPOINT one');
  await failing('unique', c.query('INSERT INTO items VALUES (10, $1)', ['again']));
  await failing('aborted', c.query('SELECT 1'));
  await c.query('ROLLBACK TO SAVEPOINT one');
  say('kept', (await c.query('SELECT * FROM items WHERE id = 10')).rows);
  say('returned', (await c.query('DELETE FROM items WHERE id = 10 RETURNING *')).rows);
  await c.query('ROLLBACK');
  await failing('division', c.query('SELECT 1 / 0'));
  await failing('no table', c.query('SELECT * FROM nowhere WHERE id = $1', [1]));
  await failing('wrong value', c.query('SELECT * FROM orders WHERE id = $1', ['x']));
  await failing('foreign key', c.query('INSERT INTO orders (id, person_id) VALUES (1000, 999)'));
}

async function streams(c) {
  const cursor = c.query(new Cursor('SELECT id, email FROM people ORDER BY id'));
  for (let rows = await cursor.read(8); rows.length; rows = await cursor.read(8)) say('read', rows.map((r) => [r.id, r.email]));
  await cursor.close();
  await c.query('BEGIN');
  const lines = Array.from({ length: 5000 }, (_, i) => `${1000 + i}\tline ${i}\n`);
  await pipeline(Readable.from(lines), c.query(copyFrom('COPY items FROM STDIN')));
  say('copied in', (await c.query('SELECT count(*), max(label) FROM items WHERE id >= 1000')).rows);
  const parts = [];
  const sink = new Writable({ write(chunk, _, done) { parts.push(chunk); done(); } });
  await pipeline(c.query(copyTo('COPY (SELECT id, email, ssn FROM people WHERE id < 4 ORDER BY id) TO STDOUT (FORMAT csv, HEADER)')), sink);
  say('copied out', Buffer.concat(parts).toString().split('\n'));
  await c.query('ROLLBACK');
}

async function listening(c, other) {
  const heard = new Promise((resolve) => c.once('notification', (n) => resolve(n.channel)));
  await c.query('LISTEN orders');
  await other.query("SELECT pg_notify('orders', 'one')");
  say('heard', await heard);
  const notice = new Promise((resolve) => c.once('notice', (n) => resolve([n.severity, n.code])));
  await c.query('COMMIT');
  say('notice', await notice);
}

async function cancelling(c) {
  // The rows before it are too long to wait in the server's buffer, so the first of them tells that the server is at work.
  const query = c.query(new Query("SELECT repeat('x', 9000) FROM generate_series(1, 3); SELECT pg_sleep(30)"));
  const ended = new Promise((resolve) => {
    query.once('error', (e) => resolve(e.code));
    query.once('end', () => resolve('not cancelled'));
  });
  await new Promise((resolve) => query.once('row', resolve));
  // This driver asks to cancel in clear, however it is connected.
  new Client().cancel(c, query);
  say('cancelled', await ended);
  say('goes on', (await c.query('SELECT 5 AS n')).rows);
}

async function pipelined() {
  const c = new Client({ ssl, pipeline: true });
  await c.connect();
  const all = Array.from({ length: 60 }, (_, i) => c.query({ name: 'mail', text: 'SELECT id, email FROM people WHERE id = $1', values: [1 + (i % 20)] }));
  const wrong = c.query('SELECT 1 / $1::int', [0]).catch((e) => e.code);
  const after = c.query('SELECT $1::text AS t', ['after']);
  say('pipelined', (await Promise.all(all)).map((r) => r.rows[0].id));
  say('wrong', await wrong);
  say('after', (await after).rows);
  await c.end();
}

async function pooled() {
  const pool = new Pool({ ssl, max: 3 });
  const all = await Promise.all(Array.from({ length: 30 }, (_, i) => pool.query('SELECT id, email FROM people WHERE id = $1', [1 + (i % 20)])));
  say('pooled', all.map((r) => r.rows[0].id));
  await pool.end();
}

async function defining(c) {
  await c.query("CREATE TABLE documents (id bigserial PRIMARY KEY, body jsonb NOT NULL DEFAULT '{}', at timestamptz NOT NULL DEFAULT now())");
  try {
    say('inserted', (await c.query('INSERT INTO documents (body) VALUES ($1), ($2) RETURNING id', [{ n: 1 }, { n: 2 }])).rows);
    say('found', (await c.query("SELECT body->>'n' AS n FROM documents WHERE body @> $1", [{ n: 2 }])).rows);
  } finally {
    await c.query('DROP TABLE documents');
  }
}

async function main() {
  types.setTypeParser(types.builtins.INT8, Number);
  const [c, other] = [new Client({ ssl }), new Client({ ssl })];
  await c.connect();
  await other.connect();
  await queries(c);
  await transactions(c);
  await streams(c);
  await listening(c, other);
  await cancelling(c);
  await pipelined();
  await pooled();
  if (!MASKED) await defining(c);
  await c.end();
  await other.end();
}

main().catch((e) => {
  console.error(e);
  process.exitCode = 1;
});
