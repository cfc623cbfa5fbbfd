//! The real server and what is in it.

use querygate_testkit::postgres::Server;

use super::load;
use crate::{error::Error, result::ROWS};

/// The database.
pub const DATABASE: &str = "bench";
/// pgbench's scale: 100,000 accounts each.
pub const SCALE: &str = "10";

/// Ten columns as tables of customers have them: text, whole numbers, dates, numeric.
const WIDE: &str = "\
CREATE TABLE wide (id int PRIMARY KEY, full_name text, email text, city text, born date, balance numeric(12,2), quantity int,
    note text, seen date, price numeric(10,2));
INSERT INTO wide SELECT n, 'Customer Number ' || n, 'customer.' || n || '@example.com', 'City ' || n % 997,
    date '1950-01-01' + n % 20000, (n % 100000) * 1.37, n % 1000, 'note ' || md5(n::text), date '2020-01-01' + n % 2000,
    (n % 5000) / 7.0 FROM generate_series(1, ROWS) AS n;
VACUUM (FREEZE, ANALYZE) wide;
";

/// Starts a server and loads it. All of the data fits its memory: what is measured is never the disk.
pub fn start() -> Result<Server, Error> {
    let server = Server::setup()
        .setting("shared_buffers", "1GB")
        .setting("max_connections", "1300")
        .setting("autovacuum", "off")
        .start()?;
    server.script("postgres", &format!("CREATE DATABASE {DATABASE};"))?;
    server.admin(DATABASE).pgbench(&["--initialize", "--scale", SCALE, "--quiet"])?.ok()?;
    server.script(DATABASE, &WIDE.replace("ROWS", &ROWS.to_string()))?;
    load::warm(&server.admin(DATABASE))?;
    Ok(server)
}
