//! Programs that only checks use, built or fetched into the cache.

use std::path::PathBuf;

use crate::{cache::Cache, environment, error::Error, run};

/// Checks licences, bans and sources of dependencies.
const CARGO_DENY: &str = "0.20.2";

/// The licence checker, built on first use.
pub fn cargo_deny(cache: &Cache) -> Result<PathBuf, Error> {
    let root = cache.tools().join(format!("cargo-deny-{CARGO_DENY}"));
    let program = root.join("bin/cargo-deny");
    if program.exists() {
        return Ok(program);
    }
    let _lock = cache.lock("cargo-deny")?;
    if program.exists() {
        return Ok(program);
    }
    let mut command = environment::cargo();
    command
        .args(["install", "cargo-deny", "--locked", "--no-default-features", "--version", CARGO_DENY, "--root"])
        .arg(&root);
    command.env("CARGO_TARGET_DIR", cache.tools().join("build"));
    // A checker that runs for a second need not be fast: half the build time is optimisation.
    command.args(["--profile", "dev"]);
    run::quietly(cache, "build cargo-deny", &mut command)?;
    crate::cache::remove_folder(&cache.tools().join("build"))?;
    Ok(program)
}
