//! One statement's way, whatever the protocol: analyse, decide, record, hold, forward, mask, complete.
//!
//! [`Session`] is pure: messages and events go in, [`Action`]s come out. It must not know clocks, sockets, frames, SQL or how the log
//! is kept. The driver (in `querygate-gateway`) decodes messages, keeps their bytes, and carries the actions out in order; it may
//! present a message again that was answered with [`Step::Later`]. Nothing that is forwarded or injected after an [`Action::Log`] may
//! reach the server before that entry is in the log: the driver has one outlet to the server, and it holds that line.
//!
//! ```
//! use querygate_session::{Habits, Rows, Session};
//! let session = Session::new(Habits::default());
//! assert!(session.is_idle());
//! assert!(matches!(session.rows(), Rows::Unexpected));
//! ```

mod cap;
mod catalog;
mod client;
mod copy;
mod event;
mod expect;
mod extended;
mod hold;
mod judgement;
mod names;
mod portals;
mod refuse;
mod server;
mod session;

pub use cap::{Caps, Piece};
pub use event::{
    Action, ClientMessage, ClientReply, Column, Control, EndReason, Formats, Injected, Log, Relay, Report,
    ServerMessage, Step, Target, Transaction,
};
pub use judgement::{Hold, HoldRequest, Judge, Judgement, Part, Question, Ruling};
pub use names::NAMES_MAX;
pub use session::{Activity, Habits, Rows, Session, Waits};
