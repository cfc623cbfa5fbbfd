//! What an operator is promised when things go wrong: the log, secrets, limits, failures. Each test runs the real binary in front of a real
//! Postgres, and looks at what is left from outside: at the server's tables, the log's files, the metrics.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test says what went wrong by failing"
)]

mod accounts;
mod approvals;
mod bad_input;
mod bounded;
mod caps;
mod cross_check;
mod durability;
mod explained;
mod full_disk;
mod large_rows;
mod limits;
mod metrics;
mod migrations;
mod own_statements;
mod rarely_used;
mod reload;
mod secrets;
mod sql_functions;
mod stage;
mod stop;
mod tls;
