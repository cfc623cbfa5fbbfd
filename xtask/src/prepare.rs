//! Everything a chore needs, fetched or built if absent, as one environment.

use std::{ffi::OsString, process::Command};

use crate::{
    cache::Cache,
    drivers, environment,
    error::Error,
    machine::{self, Need},
    mysql, rocksdb, servers, tools,
};

/// A machine that is ready.
#[derive(Debug)]
pub struct Prepared {
    /// The folder of what was fetched and built.
    pub cache: Cache,
    /// Variables for every program that a chore starts.
    pub environment: Vec<(String, OsString)>,
}

impl Prepared {
    /// Cargo in the checkout, told about this machine.
    pub fn cargo(&self) -> Command {
        self.tell(environment::cargo())
    }

    /// Any program, told about this machine.
    pub fn tell(&self, mut command: Command) -> Command {
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// What it takes to build.
pub fn for_build() -> Result<Prepared, Error> {
    let cache = Cache::open()?;
    machine::supply(&cache, &[Need::Build])?;
    let archive = rocksdb::archive(&cache)?;
    let environment = environment::of_build(&cache, &archive);
    Ok(Prepared { cache, environment })
}

/// What it takes to build, and to show the gateway in front of real servers.
pub fn for_demo() -> Result<Prepared, Error> {
    let mut prepared = with_postgres()?;
    match mysql::mariadb(&prepared.cache)? {
        Ok(server) => prepared.environment.extend(environment::of_mysql(&[server])),
        Err(reason) => eprintln!("going on without a MariaDB ({reason})"),
    }
    Ok(prepared)
}

fn with_postgres() -> Result<Prepared, Error> {
    let cache = Cache::open()?;
    machine::supply(&cache, &[Need::Build, Need::Servers])?;
    let mut prepared = for_build()?;
    let servers = servers::postgres(&prepared.cache)?;
    if let Some(server) = servers.first() {
        eprintln!("Postgres {} from {}", server.version, server.origin);
    }
    prepared.environment.extend(environment::of_servers(&servers));
    Ok(prepared)
}

/// What it takes to measure: a server, and what to compare with.
pub fn for_bench(of_mysql: bool) -> Result<Prepared, Error> {
    let mut prepared = with_pooler()?;
    let cache = &prepared.cache;
    let mut programs = vec![("QUERYGATE_HAPROXY", servers::haproxy(cache)?)];
    if of_mysql {
        programs.push(("QUERYGATE_SYSBENCH", servers::sysbench(cache)?));
        prepared.environment.extend(environment::of_mysql(&mysql::servers(cache)?.0));
    }
    let found = programs.into_iter().filter_map(|(name, path)| Some(environment::pair(name, path?)));
    prepared.environment.extend(found);
    Ok(prepared)
}

fn with_pooler() -> Result<Prepared, Error> {
    let mut prepared = with_postgres()?;
    if let Some(pooler) = servers::pgbouncer(&prepared.cache)? {
        prepared.environment.push(environment::pair("QUERYGATE_PGBOUNCER", pooler));
    }
    Ok(prepared)
}

/// What the tests need: everything.
pub fn for_tests() -> Result<Prepared, Error> {
    let cache = Cache::open()?;
    machine::supply(&cache, &[Need::Build, Need::Servers, Need::Drivers])?;
    let mut prepared = with_pooler()?;
    let newest = format!("QUERYGATE_POSTGRES_BIN_{}", servers::NEWEST);
    if prepared.environment.iter().all(|(name, _)| *name != newest) {
        let text =
            "the tests want Postgres {}, and it could not be had for the reasons above; the demo works with less";
        return Err(Error::Machine(text.replace("{}", &servers::NEWEST.to_string())));
    }
    let (found, reasons) = mysql::servers(&prepared.cache)?;
    if let Some(reason) = reasons.first() {
        return Err(Error::Machine(format!("the tests want MySQL and MariaDB, and one could not be had: {reason}")));
    }
    prepared.environment.extend(environment::of_mysql(&found));
    let drivers = drivers::fetch(&prepared.cache)?;
    prepared.environment.extend(environment::of_drivers(&drivers));
    tools::cargo_deny(&prepared.cache)?;
    Ok(prepared)
}
