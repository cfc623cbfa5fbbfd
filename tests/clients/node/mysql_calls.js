// Calls a procedure by text and prepared; writes down every result.
const path = require('path');
const mysql = require(path.join(process.env.QUERYGATE_NODE_MODULES, 'mysql2/promise'));

async function calls() {
  const connection = await mysql.createConnection({
    host: '127.0.0.1',
    port: Number(process.env.QG_PORT),
    user: process.env.QG_USER,
    password: process.env.QG_SECRET,
    database: process.env.QG_DATABASE,
    ssl: { rejectUnauthorized: false },
  });
  for (const ask of ['query', 'execute', 'execute']) {
    const [results] = await connection[ask]('CALL names(?, @n)', [1]);
    console.log(ask, JSON.stringify(results.filter(Array.isArray)));
    const [[found]] = await connection.query('SELECT @n AS n');
    console.log('found', JSON.stringify(found));
  }
  await connection.end();
}

calls().catch((error) => {
  console.error(error);
  process.exit(1);
});
