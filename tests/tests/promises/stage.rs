//! A small database behind a gateway, and ways to look at both from outside.

use std::{
    net::SocketAddr,
    sync::{Arc, Weak},
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use querygate_testkit::{
    Error, Ran, Target,
    gateway::{Gateway, Setup},
    postgres::{ADMIN, ADMIN_PASSWORD, Server},
    wire::{Frame, RawClient, message},
};
use serde_json::Value;

/// Customers have secrets, `done` takes what clients count, and `orders` is there to be changed.
const TABLES: &str = "\
CREATE TABLE customers (id int PRIMARY KEY, full_name text NOT NULL, email text, ssn text, born date);
INSERT INTO customers SELECT n, 'Name ' || n, 'mail' || n || '@example.com', '900-00-' || to_char(n, 'FM0000'), date '1980-01-01' + n
  FROM generate_series(1, 20) AS n;
CREATE TABLE done (number bigint PRIMARY KEY);
CREATE TABLE orders (id int PRIMARY KEY, status text NOT NULL);
INSERT INTO orders SELECT n, 'open' FROM generate_series(1, 10) AS n;
";

/// What agents may do. A change of rows that no key names waits for a reviewer.
pub const POLICY: &str = "\
database = \"shop\"
connect = [\"agent\", \"dba\"]
reviewers = [\"reviewer\"]
unlisted = \"redact\"

[table.\"public.customers\"]
clear = [\"id\", \"full_name\"]
mask.email = \"email\"
mask.ssn = { keep_last = 4 }
mask.born = \"year\"
write.email = \"allow\"
write.ssn = \"allow\"
write.born = \"allow\"
clear_for = [\"dba\"]
";

/// How long something may take that happens by itself, on a machine busy with other tests.
const LIMIT: Duration = Duration::from_secs(60);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(20);

static SERVER: Mutex<Weak<Server>> = Mutex::new(Weak::new());

/// Secrets of the accounts: each has the role of its name, but for the bosses, who review.
pub fn secret(account: &str) -> String {
    format!("{account}-sEcret-Pa55")
}

/// A gateway before a database of its own. The gateway ends first.
pub struct Stage {
    pub gateway: Gateway,
    pub server: Arc<Server>,
    pub database: String,
}

impl Stage {
    pub fn open() -> Result<Stage, Error> {
        Stage::with(POLICY, |setup| setup)
    }

    /// With another policy, and more in the configuration; its last table is that of the database.
    pub fn with(policy: &str, more: impl FnOnce(Setup) -> Setup) -> Result<Stage, Error> {
        let server = shared()?;
        let database = server.create_database("shop", TABLES)?;
        let setup = Gateway::setup().policy("shop", policy);
        let setup = setup.database("shop", address(server.port()), &database, ADMIN, ADMIN_PASSWORD);
        Ok(Stage { gateway: accounts(more(setup)).start()?, server, database })
    }

    /// An account as a client of the gateway.
    pub fn login(&self, account: &str) -> Target {
        self.gateway.login(account, &secret(account), "shop")
    }

    /// A session of an account.
    pub fn client(&self, account: &str) -> Result<RawClient, Error> {
        RawClient::login(&self.login(account))
    }

    /// What the server itself answers, past the gateway.
    pub fn truth(&self, sql: &str) -> String {
        self.server.psql(&self.database, &["-At", "-c", sql], "").unwrap().ok().unwrap().stdout.trim_end().to_owned()
    }

    /// The log's rows of everything, the gateway's own included.
    pub fn log(&self) -> Vec<Value> {
        let ran = self.gateway.command(&["log", "export"], "").unwrap().ok().unwrap();
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The rows of clients' statements whose text holds this.
    pub fn statements(&self, text: &str) -> Vec<Value> {
        let wanted = |row: &Value| row["kind"] == "statement" && row["text"].as_str().is_some_and(|t| t.contains(text));
        self.log().into_iter().filter(wanted).collect()
    }

    /// The log's chains and signatures hold.
    pub fn verify(&self) {
        let keys = std::fs::read_dir(self.gateway.data().join("keys")).unwrap();
        let public =
            keys.map(|entry| entry.unwrap().path()).filter(|path| path.to_string_lossy().ends_with(".pub.pem"));
        let mut arguments = vec!["log".to_owned(), "verify".to_owned()];
        for key in public {
            arguments.extend(["--public-key".to_owned(), key.to_string_lossy().into_owned()]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.gateway.command(&arguments, "").unwrap().ok().unwrap();
    }

    /// Decides a held statement as an account.
    pub fn decide(&self, decision: &str, id: &str, account: &str) -> Ran {
        let arguments =
            ["approvals", decision, id, "--because", "so be it", "--account", account, "--secret-file", "-"];
        self.gateway.command(&arguments, &secret(account)).unwrap()
    }

    /// A metric's value; its name with labels as the page writes them.
    pub fn metric(&self, name: &str) -> f64 {
        let page = self.gateway.page("/metrics").unwrap().1;
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or(0.0)
    }
}

/// The loopback address with this port.
pub fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// The accounts that [`secret`] knows.
pub fn accounts(setup: Setup) -> Setup {
    let all = [("agent", "agent"), ("other", "agent"), ("dba", "dba"), ("boss", "reviewer"), ("chief", "reviewer")];
    all.iter().fold(setup, |setup, (name, role)| setup.account(name, &[role], &secret(name)))
}

/// One server for all tests that run at the same time; it goes with the last of them.
fn shared() -> Result<Arc<Server>, Error> {
    let mut open = SERVER.lock();
    if let Some(server) = open.upgrade() {
        return Ok(server);
    }
    let server = Arc::new(Server::setup().setting("max_connections", "200").start()?);
    *open = Arc::downgrade(&server);
    Ok(server)
}

/// Waits for what happens by itself, and fails when it doesn't.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < LIMIT, "{what} did not happen within {LIMIT:?}");
        thread::sleep(LOOK);
    }
}

/// SQLSTATE of the first error among messages; empty where there is none.
pub fn code(frames: &[Frame]) -> String {
    frames.iter().find(|frame| frame.tag == b'E').and_then(|error| error.field(b'C')).unwrap_or_default()
}

/// The words of the first error among messages.
pub fn words(frames: &[Frame]) -> String {
    frames.iter().find(|frame| frame.tag == b'E').and_then(|error| error.field(b'M')).unwrap_or_default()
}

/// What the rows among messages hold, fields and rows separated by blanks; NULL is empty.
pub fn rows(frames: &[Frame]) -> String {
    let fields = frames.iter().filter(|frame| frame.tag == b'D').flat_map(|row| fields(&row.body));
    fields.map(|field| String::from_utf8_lossy(&field).into_owned()).collect::<Vec<_>>().join(" ")
}

fn fields(body: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = &body[2..];
    let mut all = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0);
        all.push(after[..length].to_vec());
        rest = &after[length..];
    }
    all
}

/// Parse, Bind, Execute and Sync of one statement with values in text.
pub fn extended(sql: &str, values: &[&[u8]]) -> Vec<u8> {
    let typed: Vec<_> = values.iter().map(|value| (0, *value)).collect();
    extended_typed(sql, &[], 0, &typed)
}

/// The same with types of parameters, the format of results, and the format (0 text, 1 binary) of each value.
pub fn extended_typed(sql: &str, types: &[u32], results: u16, values: &[(u16, &[u8])]) -> Vec<u8> {
    let count = |of: usize| u16::try_from(of).unwrap().to_be_bytes();
    let mut parse = [b"\0", sql.as_bytes(), b"\0", &count(types.len())].concat();
    types.iter().for_each(|oid| parse.extend(oid.to_be_bytes()));
    let mut bind = [b"\0\0".as_slice(), &count(values.len())].concat();
    values.iter().for_each(|(format, _)| bind.extend(format.to_be_bytes()));
    bind.extend(count(values.len()));
    for (_, value) in values {
        bind.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
        bind.extend_from_slice(value);
    }
    bind.extend(count(1));
    bind.extend(results.to_be_bytes());
    let messages = [message(b'P', &parse), message(b'B', &bind), message(b'D', b"P\0"), message(b'E', b"\0\0\0\0\0")];
    [messages.concat(), message(b'S', b"")].concat()
}

/// Sends a statement that must wait for a reviewer; returns its request's id.
pub fn ask(client: &mut RawClient, bytes: &[u8]) -> Result<String, Error> {
    client.send(bytes)?;
    let notice = client.read_until(b'N')?.pop().and_then(|frame| frame.field(b'M')).unwrap_or_default();
    Ok(notice.strip_prefix("waiting for approval: request ").unwrap_or_else(|| panic!("{notice}")).to_owned())
}
