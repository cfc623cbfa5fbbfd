//! What the control socket can ask of the running gateway.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use querygate_approvals::Desk;
use querygate_console::{
    AccountChange, Control,
    api::{ApiError, Checkpoint, DatabaseStatus, Explain, Explanation, Kind, Reloaded, SessionSummary, Status},
};
use querygate_gateway::{Gateway, SessionInfo};
use querygate_identity::Accounts;
use querygate_policy::PolicySet;
use querygate_record::{Principal, SessionId};

use super::{convert, explain, store::ControlLog};
use crate::config::Config;

/// The running gateway as the control socket sees it.
pub struct Running {
    config: Config,
    gateway: Mutex<Option<Gateway>>,
    postgres: Option<SocketAddr>,
    policies: ArcSwap<PolicySet>,
    accounts: Arc<Accounts>,
    desk: Desk,
    log: Arc<ControlLog>,
    started_ns: i64,
}

impl Running {
    /// Ties the parts together.
    pub fn new(
        config: Config,
        gateway: Gateway,
        policies: Arc<PolicySet>,
        accounts: Arc<Accounts>,
        desk: Desk,
        log: Arc<ControlLog>,
    ) -> Running {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Running {
            config,
            postgres: gateway.postgres,
            gateway: Mutex::new(Some(gateway)),
            policies: ArcSwap::from(policies),
            accounts,
            desk,
            log,
            started_ns: i64::try_from(now.as_nanos()).unwrap_or(i64::MAX),
        }
    }

    /// Where Postgres clients connect.
    pub fn postgres(&self) -> Option<SocketAddr> {
        self.postgres
    }

    /// Why it isn't ready; none when it is.
    pub fn trouble(&self) -> Option<String> {
        match &*self.gateway.lock() {
            Some(gateway) => gateway.trouble(),
            None => Some("stopping".to_owned()),
        }
    }

    /// Stops the gateway in order.
    pub async fn stop(&self, drain: Duration) {
        let gateway = self.gateway.lock().take();
        if let Some(gateway) = gateway {
            gateway.stop(drain).await;
        }
    }

    /// Reads configuration, policies and accounts anew; all of it is put to use, or nothing.
    pub async fn load_again(&self) -> Result<Reloaded, ApiError> {
        let input = |problems: querygate_policy::document::Problems| {
            ApiError::new(
                Kind::Input,
                problems.render(false),
                "put it right and reload again; everything stays as it was",
            )
        };
        let config = Config::load(&self.config.path).map_err(input)?;
        let policies = Arc::new(config.policy_set().map_err(input)?);
        let identity = |e: querygate_identity::Error| ApiError::new(Kind::Input, &e, e.remedy());
        let configured = convert::accounts(&config).map_err(identity)?;
        let prepared = self.accounts.prepare(configured).map_err(identity)?;
        let gateway = self.gateway.lock();
        let Some(gateway) = gateway.as_ref() else {
            return Err(ApiError::new(Kind::Unavailable, "the gateway is stopping", "start it again"));
        };
        let certificates = gateway
            .prepare_certificates()
            .map_err(|e| ApiError::new(Kind::Input, e, "put the certificate right and reload again"))?;
        self.log.loaded(policies.version(), "reloaded").map_err(log_away)?;
        certificates.install();
        prepared.install();
        let before = self.policies.swap(policies.clone());
        gateway.set_policies(&policies);
        let mut changes = self.needs_restart(&config);
        if before.version() != policies.version() {
            changes.push("policies".to_owned());
        }
        let warnings = [&config.warnings, policies.warnings()];
        let warnings = warnings.into_iter().flat_map(|w| w.iter().map(ToString::to_string)).collect();
        Ok(Reloaded { policy: policies.version().to_owned(), changes, warnings })
    }

    /// What was changed in the file but is only read at a start.
    fn needs_restart(&self, new: &Config) -> Vec<String> {
        let mut changed = Vec::new();
        let mut note = |what: &str, differs: bool| {
            if differs {
                changed.push(format!("{what} changed: it takes effect at the next start"));
            }
        };
        note("listen", self.config.listen != new.listen);
        note("data_dir", self.config.data_dir != new.data_dir);
        note("log.durability", self.config.log.durability != new.log.durability);
        let names = |c: &Config| {
            c.databases.iter().map(|d| (d.name.clone(), d.addresses.clone(), d.user.clone())).collect::<Vec<_>>()
        };
        note("databases", names(&self.config) != names(new));
        changed
    }

    fn with_gateway<T>(&self, answer: impl FnOnce(&Gateway) -> T) -> Result<T, ApiError> {
        match &*self.gateway.lock() {
            Some(gateway) => Ok(answer(gateway)),
            None => Err(ApiError::new(Kind::Unavailable, "the gateway is stopping", "start it again")),
        }
    }
}

fn log_away(error: querygate_journal::Error) -> ApiError {
    ApiError::new(Kind::Unavailable, error, "make room on the disk of data_dir, then try again")
}

fn summary(info: &SessionInfo) -> SessionSummary {
    SessionSummary {
        id: info.id,
        principal: (*info.principal).clone(),
        client: info.client.clone(),
        application: info.application.clone(),
        database: info.database.to_string(),
        engine: info.engine,
        opened_ns: info.started_ns,
        state: info.live.state().to_owned(),
        statements: info.live.statements(),
    }
}

impl Control for Running {
    async fn status(&self) -> Result<Status, ApiError> {
        self.with_gateway(|gateway| {
            let shared = gateway.shared();
            let problem = |d: &querygate_gateway::DatabaseState| {
                if d.policy.load().is_none() {
                    return Some("no policy names it: it opens to nobody".to_owned());
                }
                d.world.load().is_none().then(|| d.trouble.load().to_string())
            };
            let databases = shared.databases.values().map(|d| DatabaseStatus {
                name: d.settings.name.to_string(),
                engine: d.settings.engine,
                problem: problem(d),
            });
            Status {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                started_ns: self.started_ns,
                policy: self.policies.load().version().to_owned(),
                not_ready: gateway.trouble(),
                sessions: shared.registry.len() as u64,
                held: self.desk.usage().requests as u64,
                databases: databases.collect(),
            }
        })
    }

    async fn reload(&self) -> Result<Reloaded, ApiError> {
        self.load_again().await
    }

    async fn sessions(&self) -> Result<Vec<SessionSummary>, ApiError> {
        self.with_gateway(|gateway| gateway.shared().registry.list().iter().map(summary).collect())
    }

    async fn kill(&self, session: SessionId) -> Result<(), ApiError> {
        let found =
            self.with_gateway(|g| g.shared().registry.end(session, "57P01", "an administrator ended the session"))?;
        if found {
            return Ok(());
        }
        Err(ApiError::new(Kind::NotFound, format!("no session {session} is open"), "see `querygate session list`"))
    }

    async fn explain(&self, request: Explain) -> Result<Explanation, ApiError> {
        let world =
            self.with_gateway(|g| g.shared().databases.get(request.database.as_str()).map(|d| d.world.load_full()))?;
        let world = world.ok_or_else(|| {
            ApiError::new(
                Kind::NotFound,
                format!("no database \"{}\" is configured", request.database),
                "see [[database]] in the configuration",
            )
        })?;
        let world = world.ok_or_else(|| {
            ApiError::new(
                Kind::Unavailable,
                "the database's catalog has not been read",
                "see `querygate status` and the gateway's own log",
            )
        })?;
        let principal = acting_as(&self.accounts, &request.acting_as)?;
        Ok(explain::explain(&world.bound, &principal, &request.sql))
    }

    async fn checkpoint(&self) -> Result<Checkpoint, ApiError> {
        let journal = self.log.journal().clone();
        let signed = tokio::task::spawn_blocking(move || journal.checkpoint()).await;
        let lost =
            |_| ApiError::new(Kind::Internal, "the gateway failed in the middle of it", "look at the gateway's log");
        Ok(Checkpoint { checkpoint: signed.map_err(lost)?.map_err(log_away)?.to_json() })
    }

    async fn record(&self, change: AccountChange) -> Result<(), ApiError> {
        let policy = self.policies.load();
        self.log.loaded(policy.version(), &in_words(&change)).map_err(log_away)
    }
}

/// What the log says of a change of an account. It is written before the change is tried.
pub fn in_words(change: &AccountChange) -> String {
    match change {
        AccountChange::Create { name, roles } => format!("making account {name} with roles {}", roles.join(", ")),
        AccountChange::Rotate { name } => format!("giving account {name} another secret"),
        AccountChange::Enable { name } => format!("letting account {name} log in again"),
        AccountChange::Disable { name } => format!("letting account {name} log in no more"),
    }
}

/// The principal that `--as` names: an account, or `role:R`.
pub fn acting_as(accounts: &Accounts, name: &str) -> Result<Principal, ApiError> {
    if let Some(role) = name.strip_prefix("role:") {
        return Ok(Principal::local(name, [role.to_owned()]));
    }
    accounts.principal(name).ok_or_else(|| {
        ApiError::new(
            Kind::NotFound,
            format!("no enabled account \"{name}\""),
            "name an account, or a role as role:NAME",
        )
    })
}
