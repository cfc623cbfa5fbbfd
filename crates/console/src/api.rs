//! Requests and answers of the control socket. Each call is a POST of its JSON to its path; refusals are an [`ApiError`].

mod error;
mod explain;
mod secret;

pub use error::{ApiError, Kind};
pub use explain::{Explain, Explained, ExplainedColumn, Explanation};
pub use secret::Secret;

use std::time::Duration;

use querygate_approvals::{Decision, Filter, Held};
use querygate_identity::Account;
use querygate_record::{Engine, HoldId, Principal, SessionId};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Longest body of a request, in bytes: a statement of 1 MiB may double when it is escaped.
pub const MAX_REQUEST_BYTES: usize = 4 << 20;

/// Longest answer that is not a stream, in bytes: more than the largest list of requests that the gateway keeps.
pub const MAX_ANSWER_BYTES: usize = 256 << 20;

/// A request that is answered once.
pub trait Call: Serialize + DeserializeOwned + Send + 'static {
    /// Where it is posted.
    const PATH: &'static str;

    /// How long it may take, at the server; the client waits a little longer.
    const TIME_LIMIT: Duration = Duration::from_secs(10);

    /// What it answers.
    type Answer: Serialize + DeserializeOwned + Send + 'static;
}

macro_rules! calls {
    ($($call:ty => $path:literal, $answer:ty $(, $seconds:literal)?;)*) => {
        $(impl Call for $call {
            const PATH: &'static str = $path;
            $(const TIME_LIMIT: Duration = Duration::from_secs($seconds);)?
            type Answer = $answer;
        })*
    };
}

calls! {
    GetStatus => "/v1/status", Status;
    // Loads catalogs and policies of every database.
    Reload => "/v1/reload", Reloaded, 120;
    ListSessions => "/v1/sessions/list", Vec<SessionSummary>;
    KillSession => "/v1/sessions/kill", Done;
    // May have to load a catalog first.
    Explain => "/v1/explain", Explanation, 60;
    // Waits for the disk.
    SignCheckpoint => "/v1/log/checkpoint", Checkpoint, 60;
    ListApprovals => "/v1/approvals/list", Vec<Held>;
    ShowApproval => "/v1/approvals/show", Held;
    DecideApproval => "/v1/approvals/decide", Decided, 30;
    ListAccounts => "/v1/accounts/list", Vec<Account>;
    CreateAccount => "/v1/accounts/create", Made, 30;
    RotateAccount => "/v1/accounts/rotate", Made, 30;
    EnableAccount => "/v1/accounts/enable", Done, 30;
    DisableAccount => "/v1/accounts/disable", Done, 30;
}

/// It is done, and there is nothing to say about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Done {}

/// How the gateway is.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetStatus {}

/// How the gateway is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Its version.
    pub version: String,
    /// When it started, nanoseconds since 1970-01-01 UTC.
    pub started_ns: i64,
    /// The policy version in use.
    pub policy: String,
    /// Why it isn't ready to take sessions, when it isn't.
    pub not_ready: Option<String>,
    /// Open sessions.
    pub sessions: u64,
    /// Statements that wait for reviewers.
    pub held: u64,
    /// Each database with what is wrong with it, when something is.
    pub databases: Vec<DatabaseStatus>,
}

/// How the gateway's side of one database is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatabaseStatus {
    /// As the configuration names it.
    pub name: String,
    /// Its engine.
    pub engine: Engine,
    /// What is wrong with it, when something is.
    pub problem: Option<String>,
}

/// Load configuration and policies anew: all or nothing.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reload {}

/// What was loaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reloaded {
    /// The policy version now in use.
    pub policy: String,
    /// What differs from before, in words.
    pub changes: Vec<String>,
    /// What was loaded but deserves a look.
    pub warnings: Vec<String>,
}

/// The open sessions.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListSessions {}

/// One open session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionSummary {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub principal: Principal,
    /// The client's address.
    pub client: String,
    /// `application_name` as the client gave it.
    pub application: String,
    /// The database, as the configuration names it.
    pub database: String,
    /// Its engine.
    pub engine: Engine,
    /// When it was opened, nanoseconds since 1970-01-01 UTC.
    pub opened_ns: i64,
    /// What it does: `idle`, `idle in transaction`, `active`, `held`.
    pub state: String,
    /// Statements so far.
    pub statements: u64,
}

/// End a session.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KillSession {
    /// Which.
    pub id: SessionId,
}

/// Sign the heads of the log's chains now, instead of at the next turn.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignCheckpoint {}

/// A checkpoint of the log: kept elsewhere, it lets `log verify` find what was cut before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// As the log's own JSON, which `log verify` reads.
    pub checkpoint: String,
}

/// The statements that wait for reviewers, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListApprovals {
    /// Which of them.
    #[serde(default)]
    pub filter: Filter,
}

/// One statement that waits.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowApproval {
    /// Which.
    pub id: HoldId,
}

/// Decide on a statement that waits, as somebody.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecideApproval {
    /// Which.
    pub id: HoldId,
    /// What becomes of it.
    pub decision: Decision,
    /// Why: for the log, and for the one who asked.
    pub because: String,
    /// The account that decides.
    pub account: String,
    /// Its secret.
    pub secret: Secret,
}

/// The decision counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// Who decided.
    pub by: Principal,
}

/// All accounts, by name.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListAccounts {}

/// Make an account.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateAccount {
    /// Its name.
    pub name: String,
    /// Its roles.
    pub roles: Vec<String>,
    /// Its secret, or a verifier of it; none to have one made.
    pub secret: Option<Secret>,
}

/// Give an account another secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotateAccount {
    /// Which.
    pub name: String,
    /// The new secret, or a verifier of it; none to have one made.
    pub secret: Option<Secret>,
}

/// The secret that was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Made {
    /// To be shown once; none when it was given.
    pub secret: Option<Secret>,
}

/// Let an account log in again.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnableAccount {
    /// Which.
    pub name: String,
}

/// Let an account log in no more.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DisableAccount {
    /// Which.
    pub name: String,
}
