//! What the tests of the whole share with the fuzzers: [`fuzzed`] has one function for each reader of bytes that come
//! from strangers. The fuzzers call it with inputs that they make up, a test with those that once failed.
//!
//! Everything else lives under `tests/`, one subject a file, run against the real binary and real servers.

pub mod fuzzed;
