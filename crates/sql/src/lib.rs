//! From a statement's text to what it does: effects, tables, columns read and written, where each result column comes from,
//! and every construct whose reads can't be named. Analysis does not depend on who asks.
//!
//! It must not know wire protocols, policies or identities.
//!
//! ```
//! use querygate_sql::{Limits, analyse, catalog::Catalog, session::Settings};
//!
//! let catalog = Catalog::from_json(include_bytes!("../tests/data/shop_catalog.json")).unwrap();
//! let settings = Settings { search_path: vec!["public".into()], user: "svc".into(), temporary: vec![] };
//! let statements = analyse("SELECT id, ssn AS x FROM customers", &catalog, &settings, &Limits::default());
//! let outputs = statements[0].outputs.as_ref().unwrap();
//! assert_eq!(&*outputs[1].name, "x");
//! ```

mod analyse;
mod analysis;
mod body;
pub mod catalog;
mod effect;
mod functions;
mod guard;
mod literals;
pub mod mysql;
mod postgres;
mod query;
mod resolve;
pub mod session;
pub mod settings;
mod shape;
pub mod statement;
mod system_catalog;
#[cfg(test)]
mod test_catalog;
mod view;
mod write;

pub use analyse::{Limits, analyse};
pub use shape::{Shape, fingerprint};
