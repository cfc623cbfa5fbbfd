//! The `querygate` program: its commands, its configuration, and the wiring of the other crates. Nothing else.
//!
//! It must not know wire protocols or SQL; what happens to a statement is decided in `session`, `sql` and `policy`.
//!
//! ```
//! assert!(querygate::config::SAMPLE.contains("data_dir"));
//! ```

pub mod cli;
pub mod commands;
pub mod config;
pub mod demo;
pub mod serve;
