use std::{future::Future, sync::Arc};

use querygate_approvals::Desk;
use querygate_identity::Accounts;
use querygate_record::SessionId;

use crate::api::{ApiError, Checkpoint, Explain, Explanation, Kind, Reloaded, SessionSummary, Status};

/// What only the running gateway can do. Called on the runtime that serves the control socket: heavy work belongs elsewhere.
pub trait Control: Send + Sync + 'static {
    /// How the gateway is.
    fn status(&self) -> impl Future<Output = Result<Status, ApiError>> + Send;

    /// Loads configuration and policies anew: all or nothing.
    fn reload(&self) -> impl Future<Output = Result<Reloaded, ApiError>> + Send;

    /// The open sessions.
    fn sessions(&self) -> impl Future<Output = Result<Vec<SessionSummary>, ApiError>> + Send;

    /// Ends a session.
    fn kill(&self, session: SessionId) -> impl Future<Output = Result<(), ApiError>> + Send;

    /// Says what would become of a text.
    fn explain(&self, request: Explain) -> impl Future<Output = Result<Explanation, ApiError>> + Send;

    /// Signs the log's heads now. A gateway that leaves this out signs them only by itself, at intervals.
    fn checkpoint(&self) -> impl Future<Output = Result<Checkpoint, ApiError>> + Send {
        let remedy = "wait for the next one, which the gateway signs by itself";
        std::future::ready(Err(ApiError::new(Kind::Unavailable, "this gateway signs no checkpoint when asked", remedy)))
    }

    /// Writes into the log that accounts are about to be changed. On an error they are not.
    fn record(&self, change: AccountChange) -> impl Future<Output = Result<(), ApiError>> + Send;
}

/// A change of an account through the control socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountChange {
    /// It is made.
    Create {
        /// Its name.
        name: String,
        /// Its roles.
        roles: Vec<String>,
    },
    /// It gets another secret.
    Rotate {
        /// Its name.
        name: String,
    },
    /// It may log in again.
    Enable {
        /// Its name.
        name: String,
    },
    /// It may log in no more.
    Disable {
        /// Its name.
        name: String,
    },
}

/// What the control socket serves.
#[derive(Debug)]
pub struct Services<C> {
    /// What only the running gateway can do.
    pub control: Arc<C>,
    /// The accounts.
    pub accounts: Arc<Accounts>,
    /// The statements that wait.
    pub desk: Desk,
}

impl<C> Clone for Services<C> {
    fn clone(&self) -> Services<C> {
        Services { control: Arc::clone(&self.control), accounts: Arc::clone(&self.accounts), desk: self.desk.clone() }
    }
}
