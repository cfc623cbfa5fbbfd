//! A session's connection to its server: to the one whose catalog is read, and to a server process that is the session's alone.

use std::sync::atomic::Ordering;

use querygate_record::{Principal, SessionId};
use tokio::time::timeout;

use crate::{
    end::log_away,
    log::{LogAway, LoopLog},
    postgres::{
        own::OwnError,
        upstream::{ConnectError, Connected},
    },
    world::DatabaseState,
};

/// What a pooler may hold of its other clients: settings, temporary tables, prepared statements.
const DISCARD: &str = "DISCARD ALL";

/// Why a session has no connection.
#[derive(Debug, thiserror::Error)]
pub enum Unreached {
    /// The gateway's own questions can't be logged, so they are not asked.
    #[error(transparent)]
    Log(#[from] LogAway),
    /// A question of the gateway's own has no answer, or there is no connection.
    #[error(transparent)]
    Own(#[from] OwnError),
    /// A pooler hands its server process to others too.
    #[error("{}", POOLED)]
    Shared,
    /// An answer took too long.
    #[error("the database server, or a pooler before it, did not answer the gateway's own question in time")]
    Slow,
}

impl Unreached {
    /// SQLSTATE and words for a client.
    pub fn for_client(&self) -> (&'static str, String) {
        match self {
            Unreached::Log(away) => log_away(away).farewell.unwrap_or_default(),
            Unreached::Own(OwnError::Connect(error)) => error.for_client(),
            Unreached::Own(_) => ("08006", "the database server did not answer the gateway's own question".to_owned()),
            Unreached::Shared => ("0A000", POOLED.to_owned()),
            Unreached::Slow => ("08006", "the database server did not answer in time".to_owned()),
        }
    }
}

/// What is said where sessions are shared.
pub const POOLED: &str =
    "a pooler in transaction mode stands before the database server, and the gateway needs sessions of its own";
/// What to do about it.
pub const POOLED_REMEDY: &str = "give the server's own address, or a pool with pool_mode = session";

/// One session on its way to its server.
pub struct Way<'a> {
    /// Where the gateway's own questions are logged.
    pub log: &'a LoopLog,
    /// Whose they are.
    pub session: SessionId,
    /// The database.
    pub database: &'a DatabaseState,
    /// Whose login it is.
    pub principal: &'a Principal,
    /// Start-up parameters besides user and database.
    pub parameters: &'a [(String, String)],
}

impl Way<'_> {
    /// A connection to the server that is settled, which nobody else's statements reach.
    ///
    /// A server's process answers by itself; then that is all. Somebody who stands between may be a pooler, which is asked again and again, over this
    /// connection and a second one, whether it keeps server processes apart. If it does, what its other clients left is discarded.
    pub async fn go(&self) -> Result<Connected, Unreached> {
        let mut connected = self.connect().await.map_err(OwnError::from)?;
        if self.logged("ask for the number of the server's process", connected.is_direct()).await? {
            return Ok(connected);
        }
        self.database.between.store(true, Ordering::Release);
        // Whoever waits keeps no place in the pool from the one who compares.
        drop(connected);
        let turn = timeout(self.database.settings.connect_timeout, self.database.comparing.lock());
        let _turn = turn.await.map_err(|_| Unreached::Slow)?;
        self.compare().await
    }

    /// The same where somebody stands between.
    async fn compare(&self) -> Result<Connected, Unreached> {
        let login = self.database.settings.login_for(self.principal);
        let connect = || self.database.upstream.connect(login, self.parameters);
        let mut connected = connect().await.map_err(OwnError::from)?;
        let shared = async { connected.shares_with(&mut connect().await?).await };
        if self.logged("compare two connections to find a pooler", shared).await? {
            return Err(Unreached::Shared);
        }
        let own = async {
            connected.tell(DISCARD).await?;
            connected.tell(&settings(self.parameters)).await
        };
        self.logged("discard what a pooler's other clients left", own).await?;
        Ok(connected)
    }

    /// A connection, after one more look at which server it is where that may help.
    async fn connect(&self) -> Result<Connected, ConnectError> {
        let (database, parameters) = (self.database, self.parameters);
        let login = database.settings.login_for(self.principal);
        match database.upstream.connect(login, parameters).await {
            Err(error) if error.may_have_moved() && database.look().await => {
                tracing::debug!(database = %database.settings.name, %error, "one more attempt");
                database.upstream.connect(login, parameters).await
            }
            result => result,
        }
    }

    /// Does something that reaches the server, between its two entries.
    async fn logged<T>(&self, what: &str, work: impl Future<Output = Result<T, OwnError>>) -> Result<T, Unreached> {
        let begun = self.log.begin_own(self.session, what).await?;
        let result = timeout(self.database.settings.connect_timeout, work).await;
        self.log.end_own(self.session, if matches!(result, Ok(Ok(_))) { "ok" } else { "error" }, begun);
        Ok(result.map_err(|_| Unreached::Slow)??)
    }
}

/// What the start-up packet asked for, which was discarded with the rest, as a statement.
fn settings(parameters: &[(String, String)]) -> String {
    // Backslashes mean the same in this form whatever `standard_conforming_strings` is.
    let literal = |text: &str| format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
    let set = |(name, value): &(String, String)| {
        format!("pg_catalog.set_config({}, {}, false)", literal(name), literal(value))
    };
    format!("SELECT {}", parameters.iter().map(set).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::settings;

    #[test]
    fn a_value_is_a_value_whatever_is_in_it() {
        let parameters = [("application_name".to_owned(), r"o'\x'; DROP TABLE t --".to_owned())];
        let text = settings(&parameters);
        assert_eq!(text, r"SELECT pg_catalog.set_config(E'application_name', E'o''\\x''; DROP TABLE t --', false)");
    }
}
