//! What a build or test is told about this machine: the environment of every program that a chore starts.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    cache::Cache,
    drivers::Drivers,
    error::Error,
    machine, mysql,
    prepare::{self, Prepared},
    servers::Postgres,
};

/// Variables that cargo sets for this program and that mean nothing to the programs which it starts.
const CARGO_OWN: [&str; 4] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];

/// The checkout.
pub fn workspace() -> PathBuf {
    let manifest =
        env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Cargo in the checkout, without this program's own variables.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.current_dir(workspace());
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| CARGO_OWN.iter().any(|own| name.starts_with(own))) {
            command.env_remove(name);
        }
    }
    command
}

/// What the generator of bindings needs beyond what it finds by itself.
pub fn clang() -> Vec<(String, OsString)> {
    machine::clang_arguments()
        .map(|arguments| ("BINDGEN_EXTRA_CLANG_ARGS".to_owned(), arguments.into()))
        .into_iter()
        .collect()
}

/// The variables for a build: where the RocksDB archive and the target folder are.
pub fn of_build(cache: &Cache, rocksdb: &Path) -> Vec<(String, OsString)> {
    let mut all = clang();
    all.push(pair("CARGO_TARGET_DIR", cache.target()));
    all.push(pair("QUERYGATE_CACHE", cache.root()));
    all.push(pair("ROCKSDB_LIB_DIR", rocksdb));
    all.push(pair("ROCKSDB_STATIC", "1"));
    all
}

/// The variables that name servers and their client programs.
pub fn of_servers(servers: &[Postgres]) -> Vec<(String, OsString)> {
    let mut all = Vec::new();
    for server in servers {
        all.push(pair(&format!("QUERYGATE_POSTGRES_BIN_{}", server.version), &server.programs));
    }
    if let Some(first) = servers.first() {
        all.push(pair("QUERYGATE_POSTGRES_BIN", &first.programs));
    }
    for (name, program) in
        [("QUERYGATE_PSQL", "psql"), ("QUERYGATE_PGBENCH", "pgbench"), ("QUERYGATE_PG_DUMP", "pg_dump")]
    {
        // Embedded binaries bring no client programs; an older client speaks to a newer server.
        let found = servers.iter().map(|server| server.programs.join(program)).find(|path| path.exists());
        all.extend(found.map(|path| pair(name, path)));
    }
    all
}

/// The variables that name MySQL's and MariaDB's folders.
pub fn of_mysql(servers: &[mysql::Unpacked]) -> Vec<(String, OsString)> {
    servers.iter().map(|server| pair(&format!("QUERYGATE_{}", server.name.to_uppercase()), &server.root)).collect()
}

/// The variables that name drivers of other languages.
pub fn of_drivers(drivers: &Drivers) -> Vec<(String, OsString)> {
    let mut all = of_go(&drivers.go_cache);
    all.push(pair("QUERYGATE_GO", &drivers.go));
    all.push(pair("QUERYGATE_NODE_MODULES", &drivers.node_modules));
    all.push(pair("QUERYGATE_PGJDBC", &drivers.pgjdbc));
    all.push(pair("QUERYGATE_CONNECTOR_J", &drivers.connector_j));
    all.push(pair("QUERYGATE_MARIADB_J", &drivers.mariadb_j));
    all.push(pair("QUERYGATE_PYTHON", &drivers.python));
    all
}

/// The variables by which `go` keeps everything in one folder, and fetches no other version of itself.
pub fn of_go(folder: &Path) -> Vec<(String, OsString)> {
    vec![
        pair("GOCACHE", folder.join("built")),
        pair("GOFLAGS", "-mod=readonly -buildvcs=false"),
        pair("GOMODCACHE", folder.join("modules")),
        pair("GOTOOLCHAIN", "local"),
    ]
}

/// `cargo xtask env`: lines for a shell, in the order of their names.
pub fn print() -> Result<(), Error> {
    let Prepared { mut environment, .. } = prepare::for_tests()?;
    environment.sort();
    for (name, value) in environment {
        println!("export {name}='{}'", value.display().to_string().replace('\'', "'\\''"));
    }
    Ok(())
}

/// One variable.
pub fn pair(name: &str, value: impl Into<OsString>) -> (String, OsString) {
    (name.to_owned(), value.into())
}
