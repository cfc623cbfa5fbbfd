//! Half an hour of everything at once: 500 connections that read and write, come and go, cancel, read slowly, while the server is restarted under
//! them. Afterwards the gateway holds no more memory, descriptors or sessions than it did, and the log knows every statement.
//!
//! Started by `cargo xtask long soak [--minutes N]`, which sets `QUERYGATE_RESULT` to the file for the figures.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a chore of the tests says what went wrong by failing"
)]

mod clients;
mod watch;

use std::{
    collections::HashSet,
    env, fs,
    process::ExitCode,
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use querygate_testkit::{
    Error,
    gateway::Gateway,
    postgres::{ADMIN, ADMIN_PASSWORD, Server},
};
use serde_json::{Value, json};

use clients::{Kind, Shared};
use watch::{Sample, Watch};

/// How many connections do what.
const CLIENTS: [(Kind, u64); 4] =
    [(Kind::Steady, 420), (Kind::ComesAndGoes, 40), (Kind::Cancels, 20), (Kind::ReadsSlowly, 20)];
/// How often the server is restarted.
const RESTARTS: u32 = 5;
const MINUTES: u64 = 30;
/// The clients' stacks: they do little.
const STACK_BYTES: usize = 256 * 1024;
/// In the last third memory may be this many times what it was in the one before, when the log's caches had filled.
const GROWTH_MAX: f64 = 1.2;
const SAMPLE_EVERY: Duration = Duration::from_secs(5);
/// How long the gateway may take to forget its clients.
const FORGET_LIMIT: Duration = Duration::from_secs(120);

const TABLES: &str = "\
CREATE TABLE customers (id int PRIMARY KEY, full_name text NOT NULL, email text, ssn text);
INSERT INTO customers SELECT n, 'Name ' || n, 'mail' || n || '@example.com', '900-00-' || to_char(n % 10000, 'FM0000') FROM generate_series(1, 20000) AS n;
CREATE TABLE done (number bigint PRIMARY KEY);
";

const POLICY: &str = "\
database = \"shop\"
connect = [\"agent\"]
[table.\"public.customers\"]
clear = [\"id\", \"full_name\"]
mask.email = \"email\"
mask.ssn = { keep_last = 4 }
";

fn main() -> ExitCode {
    match soak(minutes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::FAILURE
        }
    }
}

fn minutes() -> u64 {
    let arguments: Vec<String> = env::args().collect();
    let named = arguments.windows(2).find(|pair| pair[0] == "--minutes").and_then(|pair| pair[1].parse().ok());
    named.unwrap_or(MINUTES)
}

fn soak(minutes: u64) -> Result<(), Error> {
    let mut server = Server::setup().setting("max_connections", "700").start()?;
    let database = server.create_database("shop", TABLES)?;
    let address = ([127, 0, 0, 1], server.port()).into();
    let gateway = Gateway::setup()
        .policy("shop", POLICY)
        .database("shop", address, &database, ADMIN, ADMIN_PASSWORD)
        .tables("limits = { connections = 600 }")
        .account("agent", &["agent"], clients::SECRET)
        .start()?;
    let watch = Watch::new(gateway.process().unwrap());
    let before = watch.sample(&gateway);
    let shared = Arc::new(Shared::new(gateway.login("agent", clients::SECRET, "shop")));
    let workers = start(&shared);
    let samples = stir(&watch, &gateway, &mut server, Duration::from_secs(minutes * 60))?;
    shared.stop.store(true, Ordering::Relaxed);
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    let after = settled(&watch, &gateway, &before);
    let accounted = account(&gateway, &server, &database, &shared)?;
    report(minutes, &before, &samples, &after, &shared, accounted)
}

fn start(shared: &Arc<Shared>) -> Vec<thread::JoinHandle<()>> {
    let kinds = CLIENTS.iter().flat_map(|(kind, count)| std::iter::repeat_n(*kind, *count as usize));
    kinds
        .zip(1..)
        .map(|(kind, number)| {
            let shared = shared.clone();
            let client = move || clients::run(kind, number, &shared);
            thread::Builder::new().stack_size(STACK_BYTES).spawn(client).unwrap()
        })
        .collect()
}

/// Watches the gateway, and restarts the server now and then.
fn stir(watch: &Watch, gateway: &Gateway, server: &mut Server, time: Duration) -> Result<Vec<Sample>, Error> {
    let (started, mut samples, mut restarts) = (Instant::now(), Vec::new(), 0);
    while started.elapsed() < time {
        thread::sleep(SAMPLE_EVERY);
        samples.push(watch.sample(gateway));
        if started.elapsed() > time * (restarts + 1) / (RESTARTS + 1) && restarts < RESTARTS {
            restarts += 1;
            server.stop()?;
            server.resume()?;
        }
    }
    Ok(samples)
}

/// The gateway once it has forgotten its clients.
fn settled(watch: &Watch, gateway: &Gateway, before: &Sample) -> Sample {
    let deadline = Instant::now() + FORGET_LIMIT;
    loop {
        let now = watch.sample(gateway);
        if (now.sessions == 0 && now.descriptors <= before.descriptors) || Instant::now() > deadline {
            return now;
        }
        thread::sleep(Duration::from_millis(200));
    }
}

/// What the server did, what the clients know, what the log has.
struct Accounted {
    executed: usize,
    logged: usize,
    missing: usize,
    without_end: usize,
}

fn account(gateway: &Gateway, server: &Server, database: &str, shared: &Shared) -> Result<Accounted, Error> {
    let exported = gateway.command(&["log", "export"], "")?.ok()?.stdout;
    let (mut numbers, mut logged, mut without_end) = (HashSet::new(), 0, 0);
    for line in exported.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        if row["kind"] != "statement" || row["origin"] == "gateway" {
            continue;
        }
        logged += 1;
        without_end += usize::from(row["status"] == "outcome unknown" || row["status"] == Value::Null);
        let text = row["text"].as_str().unwrap_or_default();
        if let Some(number) = text.strip_prefix("INSERT INTO done VALUES (").and_then(|t| t.strip_suffix(')')) {
            numbers.insert(number.to_owned());
        }
    }
    let executed = server.psql(database, &["-At", "-c", "SELECT number FROM done"], "")?.ok()?.stdout;
    let missing = executed.lines().filter(|number| !numbers.contains(*number)).count();
    let answered = shared.answered.load(Ordering::Relaxed) as usize;
    if logged < answered {
        return Err(Error::Unexpected(format!("{answered} statements were answered and the log knows of {logged}")));
    }
    Ok(Accounted { executed: executed.lines().count(), logged, missing, without_end })
}

fn report(
    minutes: u64,
    before: &Sample,
    samples: &[Sample],
    after: &Sample,
    shared: &Shared,
    accounted: Accounted,
) -> Result<(), Error> {
    let third = samples.len().div_ceil(3);
    let mean = |samples: &[Sample]| samples.iter().map(|s| s.memory_mib).sum::<f64>() / samples.len().max(1) as f64;
    let (early, late) = samples.split_at(samples.len() - third);
    let (early, late) = (mean(&early[early.len() - third.min(early.len())..]), mean(late));
    let most = |of: fn(&Sample) -> u64| samples.iter().map(of).max().unwrap_or_default();
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let result = json!({
        "command": "cargo xtask long soak",
        "minutes": minutes,
        "connections": CLIENTS.iter().map(|(_, count)| count).sum::<u64>(),
        "most_sessions": most(|s| s.sessions),
        "server_restarts": RESTARTS,
        "statements": { "answered": count(&shared.answered), "cancelled": count(&shared.cancelled), "lost": count(&shared.lost),
            "logged": accounted.logged, "executed_inserts": accounted.executed, "executed_not_logged": accounted.missing, "without_end": accounted.without_end },
        "log_ins": count(&shared.log_ins),
        "memory_mib": { "before": before.memory_mib, "second_third": early, "last_third": late, "after": after.memory_mib },
        "descriptors": { "before": before.descriptors, "most": most(|s| s.descriptors), "after": after.descriptors },
        "threads": { "before": before.threads, "after": after.threads },
        "sessions_after": after.sessions,
        "alarms": after.alarms,
    });
    println!("{result:#}");
    if let Some(file) = env::var_os("QUERYGATE_RESULT") {
        fs::write(&file, format!("{result:#}\n")).map_err(Error::io("write the result"))?;
    }
    let wrong = [
        (accounted.missing > 0, "the server executed what the log does not know"),
        (accounted.without_end > 0, "statements have no end in the log"),
        (accounted.executed == 0, "nothing was done"),
        (most(|s| s.sessions) < 400, "there never were 400 sessions at once"),
        (after.sessions > 0, "sessions outlived their clients"),
        (after.descriptors > before.descriptors, "descriptors leak"),
        (after.threads > before.threads + watch::SPARE_THREADS, "threads leak"),
        (late > early * GROWTH_MAX, "memory grows"),
        (after.alarms > 0, "alarms were raised"),
        (count(&shared.cancelled) == 0, "nothing was cancelled"),
        (count(&shared.leaks) > 0, "a masked value came in clear"),
    ];
    match wrong.iter().find(|(is_wrong, _)| *is_wrong) {
        None => Ok(()),
        Some((_, words)) => Err(Error::Unexpected((*words).to_owned())),
    }
}
