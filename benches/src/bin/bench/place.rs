use clap::ValueEnum;
use serde::Serialize;

/// Where a client connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The server itself.
    Direct,
    /// A bare relay.
    Relay,
    /// Another process of the same relay: how much two of the same differ.
    RelayAgain,
    /// haproxy, which forwards TCP.
    Haproxy,
    /// pgbouncer with one server connection per client session.
    Pgbouncer,
    /// The gateway's socket loop and nothing else.
    Frames,
    /// The gateway, its log handed to the operating system.
    Process,
    /// The gateway, its log on disk before what can't be undone.
    Balanced,
    /// The gateway, each statement on disk before it is sent.
    Strict,
    /// The gateway (`process`) for a role that sees masked columns.
    Masked,
}

impl Place {
    pub fn name(self) -> &'static str {
        match self {
            Place::Direct => "direct",
            Place::Relay => "relay",
            Place::RelayAgain => "relay again",
            Place::Haproxy => "haproxy",
            Place::Pgbouncer => "pgbouncer",
            Place::Frames => "frames",
            Place::Process => "gateway process",
            Place::Balanced => "gateway balanced",
            Place::Strict => "gateway strict",
            Place::Masked => "gateway masked",
        }
    }
}
