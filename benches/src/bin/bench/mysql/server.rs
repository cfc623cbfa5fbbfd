use querygate_testkit::mysql::{Flavor, Server};

use super::load::Sysbench;
use crate::{error::Error, result::ROWS};

/// The database.
pub const DATABASE: &str = "bench";

/// Ten columns as tables of customers have them: text, whole numbers, dates, decimal.
const WIDE: &str = "\
CREATE TABLE wide (id int PRIMARY KEY, full_name varchar(60), email varchar(80), city varchar(40), born date, balance decimal(12,2),
    quantity int, note varchar(60), seen date, price decimal(10,2));
CREATE TABLE digits (d int);
INSERT INTO digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9);
INSERT INTO wide SELECT n, CONCAT('Customer Number ', n), CONCAT('customer.', n, '@example.com'), CONCAT('City ', n % 997),
    DATE_ADD('1950-01-01', INTERVAL n % 20000 DAY), (n % 100000) * 1.37, n % 1000, CONCAT('note ', LEFT(SHA2(n, 256), 32)),
    DATE_ADD('2020-01-01', INTERVAL n % 2000 DAY), (n % 5000) / 7
    FROM (SELECT a.d + 10 * b.d + 100 * c.d + 1000 * d.d + 10000 * e.d + 100000 * f.d AS n
          FROM digits a, digits b, digits c, digits d, digits e, digits f) AS numbers;
ANALYZE TABLE wide;
";

/// Starts a server and loads it. All of the data fits its memory: what is measured is never the disk.
pub fn start(flavor: Flavor, sysbench: &Sysbench) -> Result<Server, Error> {
    let server = Server::start_with(flavor, &["--max-connections=600", "--innodb-buffer-pool-size=1G"])?;
    server.script("mysql", &format!("CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4;"))?;
    server.script(DATABASE, WIDE)?;
    sysbench.identify(&server)?;
    sysbench.prepare(&server.admin(DATABASE))?;
    let counted =
        server.admin(DATABASE).with(&["--batch", "--skip-column-names"], "SELECT count(*) FROM wide")?.ok()?;
    match counted.stdout.trim() == ROWS.to_string() {
        true => Ok(server),
        false => Err(Error::Empty(format!("a table of {} rows", counted.stdout.trim()))),
    }
}
