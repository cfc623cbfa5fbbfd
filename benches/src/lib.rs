//! What the measured programs share: event loops that accept clients and give each a connection to one server.
//!
//! `relay` and `frames` are the floors that the gateway is compared with: they start as it does, with one event loop per core, and do less
//! with what they read. `bench` is the driver that starts and measures everything. Nothing here may know SQL, policy or the log.
//!
//! ```
//! use clap::Parser;
//! use querygate_benches::Forwarding;
//! let forwarding = Forwarding::parse_from(["relay", "127.0.0.1:7000", "127.0.0.1:5432", "--loops", "1"]);
//! assert_eq!(forwarding.loops, 1);
//! ```

mod forward;

pub use forward::{ForwardError, Forwarding};
