//! Statements that wait for a human: asked once, decided at most once, and written down before the decision counts.
//!
//! A session asks the [`Desk`] and waits; a reviewer decides; or the asker's wait ends by cancel, disconnect, expiry or stop.
//! Whatever comes first wins and is the only outcome. This crate must not know wire protocols, SQL, clocks, or where the log is:
//! it writes through [`Store`], and every moment in time is given by the caller, in nanoseconds since 1970-01-01 UTC.
//!
//! ```
//! use std::sync::Arc;
//! use querygate_approvals::{Decision, Desk, Limits, Request, Ruling, Store, StoreError};
//! use querygate_record::{HoldId, Principal};
//!
//! struct Silent;
//! impl Store for Silent {
//!     fn asked(&self, _: &HoldId, _: &Request) -> Result<(), StoreError> { Ok(()) }
//!     fn ruled(&self, _: &HoldId, _: &Request, _: &Ruling) -> Result<(), StoreError> { Ok(()) }
//! }
//!
//! # let statement = "018f0000-0000-7000-8000-000000000000/1".parse().unwrap();
//! # let (asked_ns, expires_ns) = (1, 2_000);
//! let desk = Desk::new(Arc::new(Silent), Limits::default())?;
//! let request = Request {
//!     statement,
//!     principal: Principal::local("reporting-agent", ["agent".to_owned()]),
//!     database: "shop".to_owned(),
//!     text: "DROP TABLE old_orders".to_owned(),
//!     reviewers: vec!["dba".to_owned()],
//!     asked_ns,
//!     expires_ns,
//!     ..Request::for_statement(statement)
//! };
//! let mut wait = desk.ask(request)?;
//! let reviewer = Principal::local("dana", ["dba".to_owned()]);
//! desk.decide(wait.id(), &reviewer, Decision::Approve, "agreed in the change meeting", 1_000)?;
//! assert!(matches!(wait.ruled(), Some(Ruling::Approved { .. })));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod desk;
mod error;
mod hold;
mod request;
mod ruling;
mod wait;

pub use desk::{Desk, Filter, Limits, Usage};
pub use error::{AskError, DecideError, StoreError};
pub use request::{Held, Request};
pub use ruling::{Decision, Ruling, Store, Withdrawal, Withdrawn};
pub use wait::Wait;
