// An everyday session of mysql2; it writes down what it got.
const path = require('path');
const mysql = require(path.join(process.env.QUERYGATE_NODE_MODULES, 'mysql2/promise'));

const settings = {
  host: '127.0.0.1',
  port: Number(process.env.QG_PORT),
  user: process.env.QG_USER,
  password: process.env.QG_SECRET,
  database: process.env.QG_DATABASE,
  ssl: { rejectUnauthorized: false },
};
const everything = 'SELECT id, full_name, email, ssn, birth_date, credit_limit, points, seen_at, level, photo FROM customers';
const say = (what, value) => console.log(`${what}: ${JSON.stringify(value)}`);
const show = (what, [rows, fields]) => {
  say(`${what} columns`, (fields || []).map((field) => [field.name, field.columnType]));
  for (const row of Array.isArray(rows) ? rows : [rows]) say(what, row);
};

async function session(options) {
  const connection = await mysql.createConnection({ ...settings, ...options });
  await connection.ping();
  show('text', await connection.query(`${everything} ORDER BY id`));
  show('escaped', await connection.query(`${everything} WHERE id = ?`, [1]));
  for (const id of [1, 2, 3]) show('executed', await connection.execute(`${everything} WHERE id = ?`, [id]));
  show('joined', await connection.execute('SELECT o.id, o.total, c.email FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.total > ? ORDER BY o.id', ['5']));
  await connection.beginTransaction();
  const [inserted] = await connection.execute('INSERT INTO pad (id, txt) VALUES (?, ?)', [300, 'été']);
  say('inserted', inserted.affectedRows);
  show('inside', await connection.query('SELECT id, txt FROM pad WHERE id = 300'));
  await connection.rollback();
  show('after', await connection.query('SELECT COUNT(*) AS n FROM pad WHERE id = 300'));
  for (const text of ['SELECT nothing FROM pad', "INSERT INTO pad (id, txt) VALUES (1, 'twice')", 'SELEC 1']) {
    try {
      await connection.query(text);
      say('no error', text);
    } catch (error) {
      say('error', error.errno > 0);
    }
  }
  if (options.multipleStatements) show('several', await connection.query('SELECT 1 AS a; SELECT 2 AS b'));
  const streamed = connection.connection.query('SELECT id, email FROM customers ORDER BY id').stream();
  for await (const row of streamed) say('streamed', row);
  await connection.end();
}

async function main() {
  await session({});
  await session({ rowsAsArray: true, dateStrings: true, multipleStatements: true });
  const pool = mysql.createPool({ ...settings, connectionLimit: 3 });
  const found = await Promise.all([1, 2, 3, 4, 5].map((n) => pool.query('SELECT ? + 1 AS n', [n])));
  say('pool', found.map(([rows]) => rows[0].n));
  await pool.end();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
