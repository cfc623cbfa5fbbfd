//! A gateway reduced to its control socket, in a folder of its own.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;
use querygate_approvals::{Desk, Limits, Request, Ruling, Store, StoreError, Wait};
use querygate_console::{
    AccountChange, Control, ControlClient, ControlServer, Services,
    api::{ApiError, Checkpoint, Explain, Explanation, Kind, Reloaded, SessionSummary, Status},
};
use querygate_identity::{Accounts, SecretString};
use querygate_record::{Engine, HoldId, Principal, SessionId, StatementId};
use tempfile::TempDir;
use tokio::{sync::Notify, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub const SESSION: SessionId = SessionId(Uuid::from_u128(7));

/// What the gateway was asked to do, and what it shall answer.
#[derive(Default)]
pub struct Script {
    pub killed: Mutex<Vec<SessionId>>,
    pub recorded: Mutex<Vec<AccountChange>>,
    pub log_away: AtomicBool,
    pub reloading: Notify,
    pub reloaded: Notify,
    pub stuck: AtomicBool,
}

impl Control for Script {
    async fn status(&self) -> Result<Status, ApiError> {
        if self.stuck.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        Ok(Status {
            version: "0.1.0".to_owned(),
            started_ns: 1,
            policy: "p1".to_owned(),
            not_ready: None,
            sessions: 1,
            held: 0,
            databases: Vec::new(),
        })
    }

    async fn reload(&self) -> Result<Reloaded, ApiError> {
        self.reloading.notify_one();
        self.reloaded.notified().await;
        Ok(Reloaded { policy: "p2".to_owned(), changes: vec!["one rule".to_owned()], warnings: Vec::new() })
    }

    async fn sessions(&self) -> Result<Vec<SessionSummary>, ApiError> {
        Ok(vec![SessionSummary {
            id: SESSION,
            principal: principal("agent", "agent"),
            client: "127.0.0.1:5".to_owned(),
            application: "psql".to_owned(),
            database: "shop".to_owned(),
            engine: Engine::Postgres,
            opened_ns: 1,
            state: "idle".to_owned(),
            statements: 3,
        }])
    }

    async fn kill(&self, session: SessionId) -> Result<(), ApiError> {
        if session != SESSION {
            return Err(ApiError::new(Kind::NotFound, format!("there is no session {session}"), "list them"));
        }
        self.killed.lock().push(session);
        Ok(())
    }

    async fn explain(&self, request: Explain) -> Result<Explanation, ApiError> {
        Ok(Explanation { policy: request.database, roles: vec![request.acting_as], statements: Vec::new() })
    }

    async fn checkpoint(&self) -> Result<Checkpoint, ApiError> {
        Ok(Checkpoint { checkpoint: "{\"number\":1}".to_owned() })
    }

    async fn record(&self, change: AccountChange) -> Result<(), ApiError> {
        if self.log_away.load(Ordering::SeqCst) {
            return Err(ApiError::new(Kind::Unavailable, "the log can't be written", "make room on its disk"));
        }
        self.recorded.lock().push(change);
        Ok(())
    }
}

struct Silent;

impl Store for Silent {
    fn asked(&self, _: &HoldId, _: &Request) -> Result<(), StoreError> {
        Ok(())
    }

    fn ruled(&self, _: &HoldId, _: &Request, _: &Ruling) -> Result<(), StoreError> {
        Ok(())
    }
}

pub struct Gateway {
    pub data: TempDir,
    pub script: Arc<Script>,
    pub accounts: Arc<Accounts>,
    pub desk: Desk,
    pub client: ControlClient,
    pub stop: CancellationToken,
    pub server: JoinHandle<()>,
}

impl Gateway {
    pub fn start() -> Gateway {
        let data = TempDir::new().unwrap();
        let accounts = Arc::new(Accounts::open(data.path(), Vec::new()).unwrap());
        let desk = Desk::new(Arc::new(Silent), Limits::default()).unwrap();
        let (script, stop) = (Arc::new(Script::default()), CancellationToken::new());
        let services = Services { control: Arc::clone(&script), accounts: Arc::clone(&accounts), desk: desk.clone() };
        let server = ControlServer::bind(data.path()).unwrap().serve(services, stop.clone());
        let client = ControlClient::new(data.path());
        Gateway { script, accounts, desk, client, stop, server: tokio::spawn(server), data }
    }

    pub fn path(&self) -> &Path {
        self.data.path()
    }

    pub fn account(&self, name: &str, role: &str) -> SecretString {
        self.accounts.create(name, vec![role.to_owned()], None).unwrap().unwrap()
    }

    /// A statement of `agent` that waits for a `dba`.
    pub fn held(&self) -> Wait {
        let statement = StatementId { session: SESSION, number: 1 };
        let request = Request {
            principal: principal("agent", "agent"),
            database: "shop".to_owned(),
            text: "DROP TABLE orders".to_owned(),
            reviewers: vec!["dba".to_owned()],
            expires_ns: i64::MAX,
            ..Request::for_statement(statement)
        };
        self.desk.ask(request).unwrap()
    }
}

pub fn principal(name: &str, role: &str) -> Principal {
    Principal::local(name, [role.to_owned()])
}
