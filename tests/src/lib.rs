//! Tests of the whole: each file under `tests/` is one subject, run against the real binary and real servers.
//!
//! This library is empty on purpose: what tests share lives in `querygate-testkit`.
