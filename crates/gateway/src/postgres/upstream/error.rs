//! Why there is no connection to a database server.

use std::time::Duration;

use querygate_postgres::auth::LoginError;

/// Why there is no connection to the server. The client sees [`ConnectError::for_client`], the log the whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// It can't be reached.
    #[error("the database server {address} can't be reached: {why}")]
    Away {
        /// Its address.
        address: String,
        /// The system's words.
        why: String,
    },
    /// The log-in failed on our side.
    #[error("the gateway can't log in to the database server: {0}")]
    Login(#[from] LoginError),
    /// None of several servers would do.
    #[error("none of the database's servers will do: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    None(Vec<ConnectError>),
    /// It takes no writes, and the database is to be written to.
    #[error("the database server {address} takes no writes: {why}")]
    NotWritable {
        /// Its address.
        address: String,
        /// How that is known.
        why: &'static str,
    },
    /// It does not speak the protocol.
    #[error("the database server {address} sent something unexpected: {why}")]
    Protocol {
        /// Its address.
        address: String,
        /// What.
        why: String,
    },
    /// The server refused.
    #[error("the database server refused the gateway's connection: {code} {message}")]
    Refused {
        /// SQLSTATE.
        code: String,
        /// Its words.
        message: String,
    },
    /// It did not answer in time.
    #[error("the database server {address} did not answer in {} s (`connect_timeout`)", wait.as_secs_f32())]
    Slow {
        /// Its address.
        address: String,
        /// How long it was waited for.
        wait: Duration,
    },
    /// It speaks no TLS, or its certificate is not trusted.
    #[error("no TLS with the database server {address}: {why}")]
    Tls {
        /// Its address.
        address: String,
        /// What went wrong.
        why: String,
    },
}

impl ConnectError {
    /// SQLSTATE and words for a client: nothing of the server's address or login.
    pub fn for_client(&self) -> (&'static str, String) {
        let away = |words: &str| ("08006", words.to_owned());
        match self {
            ConnectError::Refused { code, .. } if code == "53300" => {
                ("53300", "the database server has no connection left for the gateway".to_owned())
            }
            ConnectError::Refused { code, .. } if code.starts_with("57P") => {
                away("the database server is starting up or shutting down")
            }
            ConnectError::Refused { code, .. } => {
                ("08006", format!("the database server refused the gateway's connection ({code})"))
            }
            ConnectError::Login(_) => away("the gateway can't log in to the database server"),
            ConnectError::Tls { .. } => away("the gateway has no trusted TLS connection to the database server"),
            ConnectError::Away { .. } => away("the database server can't be reached"),
            ConnectError::Slow { .. } => away("the database server did not answer in time"),
            ConnectError::Protocol { .. } => away("the database server sent something unexpected"),
            ConnectError::NotWritable { .. } => away("the database server takes no writes at present"),
            ConnectError::None(errors) => {
                errors.first().map_or_else(|| away("the database server can't be reached"), ConnectError::for_client)
            }
        }
    }

    /// Whether another look at where the server is may help.
    pub fn may_have_moved(&self) -> bool {
        match self {
            ConnectError::Away { .. } | ConnectError::Slow { .. } | ConnectError::NotWritable { .. } => true,
            ConnectError::Refused { code, .. } => code.starts_with("57P"),
            ConnectError::None(_)
            | ConnectError::Login(_)
            | ConnectError::Protocol { .. }
            | ConnectError::Tls { .. } => false,
        }
    }
}
