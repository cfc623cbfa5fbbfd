//! The sessions of all event loops, for cancel requests, for lists and for ending them.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use querygate_postgres::startup::{CancelKey, SECRET_MIN};
use querygate_record::{Engine, Principal, SessionId};
use querygate_session::{Activity, Control};
use tokio::sync::mpsc;

/// Messages that one session's mailbox holds; a full one means that the session is not being driven.
pub const MAILBOX_MAX: usize = 64;

/// Bytes of a cancel key's secret where the protocol lets it be longer than four: as Postgres has them.
const SECRET_BYTES: usize = 32;
/// The minor version of protocol 3 that brought longer cancel keys.
const LONG_KEYS_SINCE: u16 = 2;

/// What can be sent to a session.
#[derive(Debug)]
pub enum Mail {
    /// An event for its state.
    Control(Control),
    /// Look whether the gateway is stopping, and whether its limits have changed.
    Look,
    /// End it, with these words for the client.
    End(&'static str, String),
}

/// How a cancel request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// The server has dealt with it, or it never left the gateway: it hits nothing any more.
    Settled,
    /// It was sent, and nobody knows when the server deals with it.
    Unknown,
}

/// What is known of an open session.
#[derive(Clone, Debug)]
pub struct SessionInfo {
    /// Its id.
    pub id: SessionId,
    /// Who it is.
    pub principal: Arc<Principal>,
    /// Its database.
    pub database: Arc<str>,
    /// The client's address.
    pub client: String,
    /// The client's application name.
    pub application: String,
    /// Its engine.
    pub engine: Engine,
    /// The server that it is connected to, where the engine's driver says so.
    pub server: Option<SocketAddr>,
    /// When it began, nanoseconds since 1970-01-01 UTC.
    pub started_ns: i64,
    /// What it does now.
    pub live: Arc<Live>,
}

/// What a session does, written by its event loop and read by whoever lists sessions.
#[derive(Debug, Default)]
pub struct Live {
    state: AtomicU8,
    statements: AtomicU64,
}

/// The states of a session, as lists name them.
const STATES: [&str; 4] = ["idle", "active", "idle in transaction", "held"];

impl Live {
    /// `idle`, `active`, `idle in transaction` or `held`.
    pub fn state(&self) -> &'static str {
        STATES.get(usize::from(self.state.load(Ordering::Relaxed))).copied().unwrap_or_default()
    }

    /// Statements so far.
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, activity: Activity, statements: u64) {
        let state = match activity {
            Activity::Idle => 0,
            Activity::Active => 1,
            Activity::InTransaction => 2,
            Activity::Held => 3,
        };
        self.state.store(state, Ordering::Relaxed);
        self.statements.store(statements, Ordering::Relaxed);
    }
}

struct Open {
    info: SessionInfo,
    secret: Vec<u8>,
    mailbox: mpsc::Sender<Mail>,
}

/// A session's number, and whether it is one of Postgres: each protocol counts by itself.
type Number = (bool, u32);

/// All open sessions.
#[derive(Default)]
pub struct Registry {
    /// By the number that clients know them by: Postgres's the process of the cancel key, MySQL's and MariaDB's the connection.
    open: Mutex<HashMap<Number, Open>>,
}

/// An open session's place in the registry; gives it up on drop.
pub struct Entered {
    registry: Arc<Registry>,
    number: Number,
    /// The cancel key for the client.
    pub key: CancelKey,
}

impl Registry {
    /// Enters a session under a new cancel key, as long as the client's protocol (3.`minor`) can carry. The key has the number of the server's
    /// `process`, by which clients know their own notifications and end sessions, unless a session with another server has it.
    pub fn enter(
        self: &Arc<Registry>,
        info: SessionInfo,
        mailbox: mpsc::Sender<Mail>,
        minor: u16,
        process: Option<u32>,
    ) -> Entered {
        let long: [u8; SECRET_BYTES] = rand::random();
        let (short, _) = long.split_at(SECRET_MIN);
        let secret = if minor >= LONG_KEYS_SINCE { long.as_slice() } else { short };
        let mut open = self.open.lock();
        let of_postgres = info.engine == Engine::Postgres;
        let mut process = process.unwrap_or_default();
        while process == 0 || open.contains_key(&(of_postgres, process)) {
            process = rand::random::<u32>() & 0x7fff_ffff;
        }
        let (key, number) = (CancelKey { process, secret: secret.to_vec() }, (of_postgres, process));
        open.insert(number, Open { info, secret: secret.to_vec(), mailbox });
        Entered { registry: self.clone(), number, key }
    }

    /// Passes a cancel request on to the session that it names; says nothing about whether there is one.
    pub fn cancel(&self, key: &CancelKey) {
        let open = self.open.lock();
        if let Some(session) = open.get(&(true, key.process))
            && constant_time_equal(&session.secret, &key.secret)
        {
            let _ = session.mailbox.try_send(Mail::Control(Control::Cancel));
        }
    }

    /// Ends what a connection of MySQL's protocol does (`query`), or the connection; false if the principal has none of that number.
    pub fn kill(&self, number: u32, query: bool, principal: &Principal) -> bool {
        let open = self.open.lock();
        let Some(session) = open.get(&(false, number)).filter(|s| *s.info.principal == *principal) else {
            return false;
        };
        let mail = match query {
            true => Mail::Control(Control::Cancel),
            false => Mail::End("57P01", "the connection was killed".to_owned()),
        };
        // A full mailbox belongs to a session that has more to do than to heed this: the client may ask again.
        session.mailbox.try_send(mail).is_ok()
    }

    /// What is open.
    pub fn list(&self) -> Vec<SessionInfo> {
        self.open.lock().values().map(|o| o.info.clone()).collect()
    }

    /// Ends one session; false if there is none of that id.
    pub fn end(&self, id: SessionId, code: &'static str, words: &str) -> bool {
        let open = self.open.lock();
        let Some(session) = open.values().find(|o| o.info.id == id) else { return false };
        session.mailbox.try_send(Mail::End(code, words.to_owned())).is_ok()
    }

    /// Ends the sessions for which `which` holds.
    pub fn end_where(&self, code: &'static str, words: &str, which: impl Fn(&SessionInfo) -> bool) {
        for session in self.open.lock().values().filter(|o| which(&o.info)) {
            let _ = session.mailbox.try_send(Mail::End(code, words.to_owned()));
        }
    }

    /// Lets every session look at what concerns it.
    pub fn wake_all(&self) {
        for session in self.open.lock().values() {
            // A full mailbox wakes it as well.
            let _ = session.mailbox.try_send(Mail::Look);
        }
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.open.lock().len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.registry.open.lock().remove(&self.number);
    }
}

fn constant_time_equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (x, y)| differ | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use querygate_record::SessionId;

    use super::*;

    fn enter(registry: &Arc<Registry>, process: Option<u32>) -> (Entered, mpsc::Receiver<Mail>) {
        let (post, mailbox) = mpsc::channel(MAILBOX_MAX);
        let info = SessionInfo {
            id: SessionId(uuid::Uuid::now_v7()),
            principal: Arc::new(Principal::local("agent", [])),
            database: "shop".into(),
            client: String::new(),
            application: String::new(),
            engine: Engine::Postgres,
            server: None,
            started_ns: 0,
            live: Arc::default(),
        };
        (registry.enter(info, post, 0, process), mailbox)
    }

    #[test]
    fn sessions_whose_servers_gave_them_one_number_are_cancelled_each_by_its_own_key() {
        let registry = Arc::new(Registry::default());
        let (first, mut of_first) = enter(&registry, Some(77));
        let (second, mut of_second) = enter(&registry, Some(77));
        assert_eq!(first.key.process, 77);
        assert!(second.key.process != 77 && second.key.process != 0);
        registry.cancel(&second.key);
        assert!(of_first.try_recv().is_err() && of_second.try_recv().is_ok());
        registry.cancel(&CancelKey { process: 77, secret: second.key.secret.clone() });
        assert!(of_first.try_recv().is_err());
        drop(second);
        registry.cancel(&first.key);
        assert!(of_first.try_recv().is_ok());
    }
}
