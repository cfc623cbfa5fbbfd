//! A shop in each of the two servers, and a gateway before it.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use querygate_testkit::{
    Ran,
    gateway::Gateway,
    mysql::{Flavor, Login, Server},
};

pub const SECRET: &str = "the agent's secret";
pub const DBA_SECRET: &str = "the dba's secret";

/// How long a statement may take to be held, on a machine busy with other tests.
const HELD_LIMIT: Duration = Duration::from_secs(55);

const SCHEMA: &str = "\
CREATE TABLE customers (id INT PRIMARY KEY, full_name VARCHAR(80) NOT NULL, email VARCHAR(120), ssn VARCHAR(11), birth_date DATE,
  credit_limit DECIMAL(12,2), points INT, seen_at DATETIME, level ENUM('new','old'), photo BLOB, segment VARCHAR(20), UNIQUE KEY (ssn));
CREATE TABLE orders (id INT PRIMARY KEY AUTO_INCREMENT, customer_id INT NOT NULL, total DECIMAL(10,2), note TEXT,
  FOREIGN KEY (customer_id) REFERENCES customers(id));
CREATE TABLE pad (id INT PRIMARY KEY, txt TEXT);
CREATE TABLE seats (id INT PRIMARY KEY, `row` VARCHAR(4), note TEXT);
CREATE TABLE wishes (id INT, what VARCHAR(20) DEFAULT 'nothing');
CREATE VIEW contacts AS SELECT id, email AS mail FROM customers;
INSERT INTO customers VALUES
  (1, 'Ada', 'ada@example.com', '078-05-1120', '1985-12-10', 1500.50, 7, '2024-02-29 23:59:58', 'old', x'00ff', 'gold'),
  (2, 'Bob', NULL, '219-09-9999', '1990-01-02', 20.00, -3, '2024-03-01 00:00:00', 'new', NULL, 'silver');
INSERT INTO orders (customer_id, total, note) VALUES (1, 10.00, 'first'), (2, 20.50, 'second');
INSERT INTO pad VALUES (1, 'one'), (2, 'two');
INSERT INTO seats VALUES (1, 'A', ''), (2, 'A', ''), (3, 'B', '');
";

/// What the policy's masks make of the values.
const MASKS: &str = "\
UPDATE customers SET email = 'a***@e***.com' WHERE id = 1;
UPDATE customers SET ssn = CONCAT('*******', RIGHT(ssn, 4)), birth_date = MAKEDATE(YEAR(birth_date), 1), credit_limit = 0, points = 0,
  seen_at = '1970-01-01', level = 'new', photo = '';
";

const POLICY: &str = r#"
database = "shop"
connect = ["agent", "capped", "dba"]
reviewers = ["dba"]
expires = "60s"

[table.customers]
clear = ["id", "full_name", "segment"]
mask.email = "email"
mask.ssn = { keep_last = 4 }
mask.birth_date = "year"
mask.credit_limit = "redact"
mask.points = "redact"
mask.seen_at = "redact"
mask.level = "redact"
mask.photo = "redact"
clear_for = ["dba"]

[role.capped]
limits = { rows = 3, bytes = 2000, statement_timeout = "1s", idle_in_transaction = "1s" }

[table.seats]
unlisted = "clear"
bounded_by = ["Row"]
"#;

/// A server with a shop, and a gateway before it.
pub struct Shop {
    pub server: Server,
    pub database: String,
    /// The same with the agent's masks in place of the values.
    pub twin: String,
    pub gateway: Gateway,
}

/// The shop on one of the servers, made once.
pub fn shop(flavor: Flavor) -> &'static Shop {
    static MYSQL: LazyLock<Shop> = LazyLock::new(|| Shop::open(Flavor::Mysql));
    static MARIADB: LazyLock<Shop> = LazyLock::new(|| Shop::open(Flavor::Mariadb));
    match flavor {
        Flavor::Mysql => &MYSQL,
        Flavor::Mariadb => &MARIADB,
    }
}

pub const BOTH: [Flavor; 2] = [Flavor::Mysql, Flavor::Mariadb];

impl Shop {
    pub fn open(flavor: Flavor) -> Shop {
        let server = Server::start(flavor).unwrap();
        // Under the name that the gateway has for it: dumps and drivers ask the catalog by that.
        let database = "shop".to_owned();
        server.script("mysql", "CREATE DATABASE shop CHARACTER SET utf8mb4;").unwrap();
        server.script(&database, SCHEMA).unwrap();
        let twin = server.create_database("twin", &format!("{SCHEMA}{MASKS}")).unwrap();
        let gateway = Gateway::setup()
            .mysql_database("shop", &server, &database)
            .policy("shop", POLICY)
            .account("agent", &["agent"], SECRET)
            .account("capped", &["capped"], SECRET)
            .account("dba", &["dba"], DBA_SECRET)
            .listen("tls = \"self-signed\"")
            .start()
            .unwrap();
        Shop { server, database, twin, gateway }
    }

    /// Past the gateway.
    pub fn direct(&self) -> Login {
        self.server.admin(&self.database)
    }

    /// Past the gateway, to what the agent should see.
    pub fn to_twin(&self) -> Login {
        self.server.admin(&self.twin)
    }

    pub fn agent(&self) -> Login {
        self.gateway.mysql_login(self.server.flavor(), "agent", SECRET, "shop")
    }

    pub fn dba(&self) -> Login {
        self.gateway.mysql_login(self.server.flavor(), "dba", DBA_SECRET, "shop")
    }

    /// What a statement shows to the agent.
    pub fn shown(&self, sql: &str) -> String {
        let ran = self.agent().run(sql).unwrap();
        assert_eq!(ran.code, Some(0), "{sql}: {}\n{}", ran.stderr, self.gateway.log());
        ran.stdout
    }

    /// The error that a statement gives to the agent.
    pub fn refused(&self, sql: &str) -> String {
        let ran = self.agent().run(sql).unwrap();
        assert_ne!(ran.code, Some(0), "{sql} was let through:\n{}", ran.stdout);
        ran.stderr
    }

    /// Waits until a statement is held; its request's id.
    pub fn asked(&self) -> String {
        let deadline = Instant::now() + HELD_LIMIT;
        while Instant::now() < deadline {
            let list = self.gateway.command(&["approvals", "list", "--json"], "").unwrap().ok().unwrap().stdout;
            let list: serde_json::Value = serde_json::from_str(&list).unwrap();
            if let Some(id) = list.get(0).and_then(|request| request.get("id")).and_then(serde_json::Value::as_str) {
                return id.to_owned();
            }
        }
        panic!("nothing was held; {}", self.gateway.log());
    }

    /// Rules on a request as the DBA.
    pub fn decide(&self, decision: &str, id: &str) -> Ran {
        let arguments = ["approvals", decision, id, "--because", "so be it", "--account", "dba", "--secret-file", "-"];
        self.gateway.command(&arguments, DBA_SECRET).unwrap()
    }

    /// What the log has, one JSON object a line.
    pub fn log(&self) -> String {
        self.gateway.command(&["log", "search", "--json", "--limit", "1000"], "").unwrap().stdout
    }
}
