//! The parts of the `querygate` program that are more than wiring: reading its configuration.
//!
//! It must not know wire protocols or SQL; `main.rs` ties the other crates together.
//!
//! ```
//! assert!(querygate::config::SAMPLE.contains("data_dir"));
//! ```

pub mod config;
