//! What the clients do until they are told to stop. Connections that break are no failure: the server is restarted under them.

use std::{
    io::Read,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use querygate_testkit::{
    Error, Target,
    wire::{Frame, RawClient, query},
};
use tokio_postgres::NoTls;

pub const SECRET: &str = "the agent's secret";

/// How long a client waits before it connects again.
const AGAIN: Duration = Duration::from_millis(500);
/// Numbers that one client may write.
const NUMBERS: u64 = 1_000_000;
/// Reads of a slow reader, and the pause between them.
const SLOW_READS: u32 = 100;
const SLOW_PAUSE: Duration = Duration::from_millis(100);

/// What a client is like.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Reads and writes, with pauses, on one connection.
    Steady,
    /// Connects for a few statements.
    ComesAndGoes,
    /// Begins what takes long, and cancels it.
    Cancels,
    /// Asks for a large result and hardly reads it.
    ReadsSlowly,
}

/// What all clients share.
pub struct Shared {
    target: Target,
    pub stop: AtomicBool,
    pub answered: AtomicU64,
    pub cancelled: AtomicU64,
    pub lost: AtomicU64,
    pub log_ins: AtomicU64,
    pub leaks: AtomicU64,
}

impl Shared {
    pub fn new(target: Target) -> Shared {
        let zero = || AtomicU64::new(0);
        Shared {
            target,
            stop: AtomicBool::new(false),
            answered: zero(),
            cancelled: zero(),
            lost: zero(),
            log_ins: zero(),
            leaks: zero(),
        }
    }

    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    fn login(&self) -> Result<RawClient, Error> {
        let client = RawClient::login(&self.target)?;
        self.log_ins.fetch_add(1, Ordering::Relaxed);
        Ok(client)
    }

    /// Runs one statement. A row of customers must not show what is masked.
    fn ask(&self, client: &mut RawClient, sql: &str) -> Result<(), Error> {
        client.send(&query(sql))?;
        let frames = client.read_until(b'Z').inspect_err(|_| {
            self.lost.fetch_add(1, Ordering::Relaxed);
        })?;
        self.answered.fetch_add(1, Ordering::Relaxed);
        let leaks = |frame: &&Frame| frame.tag == b'D' && frame.body.windows(7).any(|w| w == b"900-00-");
        self.leaks.fetch_add(frames.iter().filter(leaks).count() as u64, Ordering::Relaxed);
        Ok(())
    }
}

/// The same numbers for the same client, in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// A client, until all are told to stop.
pub fn run(kind: Kind, number: u64, shared: &Shared) {
    let mut random = Random(number);
    let mut numbers = number * NUMBERS..(number + 1) * NUMBERS;
    while shared.goes_on() {
        let ended = match kind {
            Kind::Steady => works(shared, &mut random, &mut numbers, u64::MAX),
            Kind::ComesAndGoes => works(shared, &mut random, &mut numbers, 3),
            Kind::Cancels => cancels(shared, &mut random),
            Kind::ReadsSlowly => reads_slowly(shared),
        };
        if ended.is_err() {
            thread::sleep(AGAIN);
        }
    }
}

fn works(
    shared: &Shared,
    random: &mut Random,
    numbers: &mut impl Iterator<Item = u64>,
    turns: u64,
) -> Result<(), Error> {
    let mut client = shared.login()?;
    for _ in 0..turns {
        if !shared.goes_on() {
            return Ok(());
        }
        let id = 1 + random.below(20_000);
        shared.ask(&mut client, &format!("SELECT id, full_name, email, ssn FROM customers WHERE id = {id}"))?;
        shared.ask(&mut client, "BEGIN")?;
        if let Some(number) = numbers.next() {
            shared.ask(&mut client, &format!("INSERT INTO done VALUES ({number})"))?;
        }
        shared.ask(&mut client, if random.below(4) == 0 { "ROLLBACK" } else { "COMMIT" })?;
        thread::sleep(Duration::from_millis(500 + random.below(1500)));
    }
    Ok(())
}

fn cancels(shared: &Shared, random: &mut Random) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::io("start"))?;
    let pause = Duration::from_millis(50 + random.below(500));
    let gone = |error: tokio_postgres::Error| Error::Unexpected(error.to_string());
    runtime.block_on(async {
        let mut config = tokio_postgres::Config::new();
        let Target { user, password, database, port, .. } = &shared.target;
        config.host("127.0.0.1").port(*port).user(user).password(password).dbname(database);
        let (client, connection) = config.connect(NoTls).await.map_err(gone)?;
        shared.log_ins.fetch_add(1, Ordering::Relaxed);
        let driving = tokio::spawn(connection);
        while shared.goes_on() {
            let token = client.cancel_token();
            let cancel = async {
                tokio::time::sleep(pause).await;
                token.cancel_query(NoTls).await
            };
            let (ran, _) = tokio::join!(client.simple_query("SELECT pg_sleep(60)"), cancel);
            shared.answered.fetch_add(1, Ordering::Relaxed);
            match ran {
                Err(error) if error.code().is_some_and(|code| code.code() == "57014") => {
                    shared.cancelled.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => return Err(gone(error)),
                Ok(_) => {}
            }
        }
        drop(client);
        // It ends with its client.
        let _ = driving.await;
        Ok(())
    })
}

fn reads_slowly(shared: &Shared) -> Result<(), Error> {
    let mut client = shared.login()?;
    client.send(&query("SELECT c.id, c.email, c.ssn, repeat('x', 1000) FROM customers c"))?;
    let mut stream = client.into_stream().ok_or_else(|| Error::Unexpected("no plain connection".to_owned()))?;
    let mut piece = [0; 16 * 1024];
    for _ in 0..SLOW_READS {
        if !shared.goes_on() || stream.read(&mut piece).map_err(Error::io("read"))? == 0 {
            break;
        }
        thread::sleep(SLOW_PAUSE);
    }
    Ok(())
}
