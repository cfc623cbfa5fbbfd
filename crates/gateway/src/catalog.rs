//! Keeps each database's catalog snapshot current: a fingerprint every few seconds and after each statement that defines something,
//! the whole snapshot when it changed.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use querygate_journal::Chain;
use querygate_record::{Engine, Entry, Event, Origin};
use querygate_sql::catalog::{Catalog, MYSQL_SNAPSHOT, POSTGRES_FINGERPRINT, POSTGRES_SNAPSHOT};
use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval},
};

use crate::{
    config::Servers,
    log::{now_ns, own_end, own_facts},
    mysql,
    postgres::{
        own::{Own, OwnError},
        reach::{POOLED, POOLED_REMEDY},
        upstream::Route,
    },
    shared::Shared,
    world::{DatabaseState, World},
};

const POOLED_NOW: &str =
    "a pooler in transaction mode stands before the database server now: no session is the client's own there";
const MOVED: &str = "the database is served by another server now: connect again";

/// Looks after one database until its state is gone.
pub async fn watch(
    database: Arc<DatabaseState>,
    shared: Arc<Shared>,
    mut asked: mpsc::Receiver<oneshot::Sender<bool>>,
    every: Duration,
) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watcher = match shared.journal.chain() {
        Ok(chain) => Watcher {
            database,
            shared: shared.clone(),
            chain,
            connection: None,
            mysql: None,
            fingerprint: String::new(),
        },
        Err(error) => {
            tracing::error!(%error, "the catalog can't be watched: the log can't be written");
            return;
        }
    };
    loop {
        let mut waiting = Vec::new();
        tokio::select! {
            _ = ticks.tick() => {}
            request = asked.recv() => match request {
                Some(request) => waiting.push(request),
                None => return,
            },
        }
        while let Ok(request) = asked.try_recv() {
            waiting.push(request);
        }
        let seen = watcher.look().await;
        for request in waiting {
            // Whoever asked may be gone.
            let _ = request.send(seen);
        }
    }
}

struct Watcher {
    database: Arc<DatabaseState>,
    shared: Arc<Shared>,
    chain: Chain,
    connection: Option<Own>,
    /// The same to a MySQL or MariaDB server.
    mysql: Option<mysql::upstream::Own>,
    fingerprint: String,
}

impl Watcher {
    /// False if the catalog could not be read.
    async fn look(&mut self) -> bool {
        let definitions = self.database.definitions();
        // A broken connection is noticed at the question: once more over a new one.
        let mut result = self.refresh().await;
        if result.is_err() && (self.connection.take().is_some() | self.mysql.take().is_some()) {
            result = self.refresh().await;
        }
        if let Err(why) = result {
            (self.connection, self.mysql) = (None, None);
            if **self.database.trouble.load() != why {
                tracing::warn!(database = %self.database.settings.name, why, "the catalog can't be read");
            }
            self.database.trouble.store(Arc::new(why));
            return false;
        }
        self.database.seen();
        self.database.trouble.store(Arc::new(String::new()));
        self.database.shows(definitions);
        true
    }

    async fn refresh(&mut self) -> Result<(), String> {
        let Some(policy) = self.database.policy.load_full() else {
            self.database.world.store(None);
            return Err("no policy names this database: it opens to nobody".to_owned());
        };
        let current = self.database.world.load_full();
        let earlier = current.as_ref().filter(|world| world.bound.policy().version() == policy.version());
        let Some((catalog, fingerprint)) = self.changed(earlier.is_some()).await? else { return Ok(()) };
        let bound = policy.bind(&Arc::new(catalog), self.database.settings.mode, current.as_ref().map(|w| &w.bound));
        self.report_problems(&bound);
        tracing::info!(database = %self.database.settings.name, catalog = bound.catalog().version(), "catalog read");
        self.database.world.store(Some(Arc::new(World::new(bound, self.database.settings.mode, fingerprint.clone()))));
        self.fingerprint = fingerprint;
        Ok(())
    }

    /// The catalog and its fingerprint; none where it is still the one that is known.
    async fn changed(&mut self, known: bool) -> Result<Option<(Catalog, String)>, String> {
        let engine = self.database.settings.engine;
        if engine != Engine::Postgres {
            let mut answers = Vec::new();
            let begun = self.begin("read the catalog")?;
            for question in MYSQL_SNAPSHOT {
                match self.ask_mysql(question).await {
                    Ok(rows) => answers.push(rows),
                    Err(why) => {
                        self.ended(begun, false)?;
                        return Err(why);
                    }
                }
            }
            self.ended(begun, true)?;
            let catalog = Catalog::from_mysql(engine, &answers).map_err(|e| e.to_string())?;
            let fingerprint = catalog.version().to_owned();
            return Ok((!known || fingerprint != self.fingerprint).then_some((catalog, fingerprint)));
        }
        let fingerprint = self.ask("read the catalog's fingerprint", POSTGRES_FINGERPRINT).await?;
        if known && fingerprint == self.fingerprint {
            return Ok(None);
        }
        let json = self.ask("read the catalog", POSTGRES_SNAPSHOT).await?;
        let catalog = Catalog::from_json(json.as_bytes()).map_err(|e| e.to_string())?;
        Ok(Some((catalog, fingerprint)))
    }

    async fn ask_mysql(&mut self, text: &str) -> Result<Vec<Vec<Option<String>>>, String> {
        let connection = match &mut self.mysql {
            Some(connection) => connection,
            none => {
                none.insert(mysql::upstream::Own::connect(&self.database.upstream).await.map_err(|e| e.to_string())?)
            }
        };
        connection.ask(text).await
    }

    /// One question, in the log like everything that reaches the server.
    async fn ask(&mut self, what: &str, text: &str) -> Result<String, String> {
        self.connect().await?;
        let Some(mut connection) = self.connection.take() else { return Err("no connection".to_owned()) };
        let result = self.logged(what, connection.ask(text)).await;
        self.connection = Some(connection);
        result
    }

    /// Does something that reaches the server between its two entries.
    async fn logged<T>(&mut self, what: &str, work: impl Future<Output = Result<T, OwnError>>) -> Result<T, String> {
        let begun = self.begin(what)?;
        let result = work.await;
        self.ended(begun, result.is_ok())?;
        result.map_err(|e| e.to_string())
    }

    fn begin(&mut self, what: &str) -> Result<i64, String> {
        let begun = now_ns();
        let facts = self.chain.facts(&own_facts(what), begun);
        self.log(Event::Begin { facts, values: Vec::new() }, begun)?;
        Ok(begun)
    }

    fn ended(&mut self, begun: i64, well: bool) -> Result<(), String> {
        let ended = now_ns();
        self.log(own_end(if well { "ok" } else { "error" }, begun, ended), ended)
    }

    /// Makes sure of a connection to a server that will do, and that sessions go to the same one.
    async fn connect(&mut self) -> Result<(), String> {
        let upstream = self.database.upstream.clone();
        let wants_writes = upstream.database.servers() == Servers::Writable;
        let passed_by = self.database.between.swap(false, Ordering::AcqRel);
        let fit = self.connection.take().filter(|own| !wants_writes || own.why_not_writable().is_none());
        let fit = fit.filter(|own| !(passed_by && own.is_direct()));
        let known = fit.is_some();
        let mut own = match fit {
            Some(own) => own,
            None => Own::connect(&upstream).await.map_err(|e| e.to_string())?,
        };
        // A pooler that keeps sessions whole may be told to share them at any time.
        if !known || !own.is_direct() {
            let database = self.database.clone();
            let _turn = database.comparing.lock().await;
            let looked =
                self.logged("compare two connections to find a pooler", own.shares_its_session(&upstream)).await;
            let pooled = match looked {
                Ok(pooled) => pooled,
                Err(why) => {
                    self.connection = known.then_some(own);
                    return Err(why);
                }
            };
            self.database.pooled.store(pooled, Ordering::Release);
            if pooled {
                self.close();
                return Err(format!("{POOLED}: {POOLED_REMEDY}"));
            }
        }
        if !known {
            // It may be another server, or a newer one in the same place: its catalog is read whole.
            self.fingerprint.clear();
            self.settle(own.route());
        }
        self.connection = Some(own);
        Ok(())
    }

    /// Nothing is decided any more, and sessions end: their server processes may be somebody else's by now.
    fn close(&self) {
        self.database.world.store(None);
        let name = &self.database.settings.name;
        self.shared.registry.end_where("57P01", POOLED_NOW, |session| session.database == *name);
    }

    /// Sessions belong to the server whose catalog is read: they connect to it, and those with another one end.
    fn settle(&mut self, route: &Route) {
        if self.database.upstream.settled().is_some_and(|before| before.socket != route.socket) {
            self.database.world.store(None);
        }
        if self.database.upstream.settle(route) {
            let name = &self.database.settings.name;
            tracing::warn!(database = %name, server = %route.address, "the database is served by another server now");
            self.shared
                .registry
                .end_where("57P01", MOVED, |session| session.database == *name && session.server != Some(route.socket));
        }
    }

    fn log(&mut self, event: Event, time_ns: i64) -> Result<(), String> {
        self.chain.push(&Entry { time_ns, session: None, statement: 0, origin: Origin::Gateway, event });
        self.chain.flush().map(|_| ()).map_err(|e| e.to_string())
    }

    fn report_problems(&mut self, bound: &querygate_policy::Bound) {
        for problem in bound.problems().iter() {
            tracing::warn!(database = %self.database.settings.name, %problem, "policy and catalog disagree");
            let detail = problem.to_string();
            let alarm = Event::Alarm { kind: "policy_binding".to_owned(), detail };
            if let Err(error) = self.log(alarm, now_ns()) {
                tracing::error!(error, "an alarm can't be logged");
            }
        }
    }
}
