//! Policy files become compiled rules, and rules judge statements: [`Bound::decide`] says whether a principal may run a statement, and what
//! must happen to its result.
//!
//! Pure but for reading its files. It must not know wire protocols, sockets, or how a statement was analysed.
//!
//! A folder of files is a [`PolicySet`]; one file is a [`Policy`]; a policy that met a catalog is a [`Bound`], its masks tied to the server's
//! identity of each column; what one set of roles sees of it is a [`RoleView`].
//!
//! ```
//! use std::sync::Arc;
//! use querygate_policy::{Bound, DatabaseName, Mode, PolicySet};
//! use querygate_record::{Engine, Principal, Verdict};
//! use querygate_sql::{Limits, analyse, catalog::Catalog, session::Settings};
//!
//! let folder = tempfile::tempdir().unwrap();
//! std::fs::write(folder.path().join("shop.toml"), r#"
//!     database = "shop"
//!     connect  = ["agent"]
//!     [[rule]]
//!     name   = "agents do not add products"
//!     match  = { effects = ["insert"], tables = ["public.products"] }
//!     action = "block"
//! "#).unwrap();
//! let databases = [DatabaseName { name: "shop".into(), engine: Engine::Postgres }];
//! let set = PolicySet::load(folder.path(), &databases).unwrap();
//! let agent = Principal::local("reporting", ["agent".to_owned()]);
//! assert!(set.database("shop").unwrap().may_connect(&agent));
//! ```

mod bind;
mod case;
mod decide;
pub mod decision;
pub mod document;
mod facts;
mod field_type;
mod file;
mod glob;
mod limits;
mod masked;
mod policy;
mod roles;
mod set;
#[cfg(test)]
mod testing;
mod view;

pub use bind::{Bound, Mode};
pub use case::{Case, Outcome};
pub use decision::{Decision, FieldPlan, MaskPlan, Refusal, RefusalKind};
pub use facts::{LiteralKey, MAX_VALUE_BYTES};
pub use file::{DEFAULT_EXPIRES, DatabaseName};
pub use limits::Limits;
pub use masked::MaskedColumns;
pub use policy::Policy;
pub use set::{MAX_FILES, PolicySet};
pub use view::RoleView;
