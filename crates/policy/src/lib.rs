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
//! use querygate_policy::{DatabaseName, Mode, Policy, document::Source};
//! use querygate_record::{Engine, Principal, Verdict};
//! use querygate_sql::{Limits, analyse, catalog::Catalog, session::Settings};
//!
//! let source = Source::new("shop.toml", r#"
//!     database  = "shop"
//!     connect   = ["agent"]
//!     reviewers = ["dba"]
//!     [table."public.customers"]
//!     clear    = ["id", "full_name"]
//!     mask.ssn = { keep_last = 4 }
//! "#);
//! let databases = [DatabaseName { name: "shop".into(), engine: Engine::Postgres }];
//! let (policy, _warnings) = Policy::read(source, &databases, "v1").unwrap();
//! let catalog = Arc::new(Catalog::from_json(include_bytes!("../../sql/tests/data/shop_catalog.json")).unwrap());
//! let bound = Arc::new(policy).bind(&catalog, Mode::default(), None);
//!
//! let agent = Principal::local("reporting", ["agent".to_owned()]);
//! let view = bound.view(&agent);
//! let settings = Settings { search_path: vec!["public".into()], user: "svc".into(), temporary: vec![] };
//! let judge = |text: &str| {
//!     let statements = analyse(text, &catalog, &settings, &Limits::default());
//!     bound.decide(&statements[0], &agent, &view)
//! };
//! assert!(judge("SELECT ssn FROM customers").masks.fields[0].is_some());
//! assert_eq!(judge("SELECT id FROM customers WHERE ssn = '078-05-1120'").verdict, Verdict::Block);
//! assert_eq!(judge("DROP TABLE products").verdict, Verdict::Approve);
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
mod pattern;
mod policy;
mod roles;
mod set;
#[cfg(test)]
mod testing;
mod together;
mod view;

pub use bind::{Bound, Mode};
pub use case::{Case, Outcome};
pub use decision::{Decision, FieldPlan, MaskPlan, Refusal, RefusalKind};
pub use facts::{LiteralKey, MAX_VALUE_BYTES};
pub use field_type::field_type;
pub use file::{DEFAULT_EXPIRES, DatabaseName};
pub use limits::Limits;
pub use masked::MaskedColumns;
pub use pattern::Pattern;
pub use policy::Policy;
pub use set::{MAX_FILES, PolicySet};
pub use together::Together;
pub use view::RoleView;
