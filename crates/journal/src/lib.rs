//! The log: append-only, hash-chained, signed. Every entry is written before the statement that it speaks of is sent.
//!
//! One [`Chain`] per event loop takes entries and appends each turn's as one value, in a database of its own; one thread syncs them all; checkpoints sign
//! the heads of all chains. The log is read as one, also beside the running gateway. This crate alone knows RocksDB. It must not know SQL, wire protocols or policies.
//!
//! ```
//! use querygate_journal::{Journal, Keys, Options};
//! use querygate_record::{Entry, Event, Facts, Origin};
//!
//! let folder = tempfile::tempdir()?;
//! let keys = Keys::load_or_create(&folder.path().join("keys"))?;
//! let journal = Journal::open(&folder.path().join("log"), Options::new(keys))?;
//! let mut chain = journal.chain()?;
//! let facts = chain.facts(&Facts { text: "SELECT 1".into(), ..Facts::default() }, 1);
//! chain.push(&Entry {
//!     time_ns: 2, session: None, statement: 1, origin: Origin::Gateway,
//!     event: Event::Begin { facts, values: vec![] },
//! });
//! chain.flush()?; // from here on the entry survives a kill of the process
//! journal.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod batch;
mod chain;
mod chain_id;
mod checkpoint;
mod claims;
mod codec;
mod error;
mod filter;
mod index;
mod indexer;
mod journal;
mod keys;
mod lane;
mod options;
mod reader;
mod resolve;
mod row;
mod run;
mod segment;
mod signing;
mod store;
mod sync;
mod tail;
mod verify;
mod view;

pub use batch::{BATCH_BYTES, ENTRY_BYTES_MAX};
pub use chain::{Chain, FACTS_REMEMBERED_MAX, PENDING_BYTES_MAX};
pub use chain_id::{ChainId, Head};
pub use checkpoint::Checkpoint;
pub use error::Error;
pub use filter::Filter;
pub use journal::{CHECKPOINT_INTERVAL, Journal};
pub use keys::{Keys, PublicKey, public_keys};
pub use options::{DEFAULT_CACHE_BYTES, Durability, Options};
pub use reader::{Reader, Rows};
pub use row::{HELD, Hold, OUTCOME_UNKNOWN, RUNNING, Row, RowKind, Ruling};
pub use sync::{SYNC_INTERVAL, SyncState, Written};
pub use tail::{TAIL_INTERVAL, Tail};
pub use verify::{Bad, Place, Report, verify};
pub use view::{UNINDEXED_BYTES_MAX, UNINDEXED_MAX};
