//! The vocabulary that every part of Querygate shares: who acts ([`Principal`]), what a statement does ([`Effect`]),
//! what was decided ([`Verdict`]), and what is written down ([`Entry`]).
//!
//! Pure data: this crate does no I/O, keeps no state, and must not know any other crate of the project.
//!
//! ```
//! use querygate_record::{Effect, Verdict};
//! assert_eq!("define_code".parse::<Effect>().unwrap(), Effect::DefineCode);
//! assert_eq!(Verdict::Allow.strictest(Verdict::Approve), Verdict::Approve);
//! ```

mod effect;
mod entry;
mod id;
mod principal;
mod statement;
mod verdict;
mod verifier;

pub use effect::{Effect, UnknownEffect};
pub use entry::{Digest, Entry, Event, Facts, Origin, Outcome, SessionFacts, Value};
pub use id::{HoldId, ParseIdError, SessionId, StatementId};
pub use principal::{Principal, Subject};
pub use statement::{Barrier, Copy, CopyDirection, CopyFormat, Engine, Named, Position, TransactionChange};
pub use verdict::Verdict;
pub use verifier::{ScramVerifier, VerifierError};
