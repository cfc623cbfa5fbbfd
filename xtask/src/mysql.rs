//! Real MySQL and MariaDB servers with their clients: the newest MySQL from Debian's unstable release, MariaDB from the distribution.

use std::{path::PathBuf, process::Command};

use crate::{
    cache::{self, Cache},
    debian,
    error::Error,
    machine, run,
};

/// One of the two, unpacked.
#[derive(Clone, Debug)]
pub struct Unpacked {
    /// `mysql` or `mariadb`.
    pub name: &'static str,
    /// The folder that `usr` is in.
    pub root: PathBuf,
}

/// What is unpacked, and from where.
struct Wanted {
    name: &'static str,
    packages: &'static [&'static str],
    server: &'static str,
}

const MYSQL: Wanted =
    Wanted { name: "mysql", packages: &["mysql-server-core", "mysql-client-core"], server: "usr/sbin/mysqld" };
const MARIADB: Wanted = Wanted {
    name: "mariadb",
    packages: &["mariadb-server-core", "mariadb-client-core", "libmariadb3"],
    server: "usr/sbin/mariadbd",
};

/// Those that this machine can have; a reason for each that it can't.
pub fn servers(cache: &Cache) -> Result<(Vec<Unpacked>, Vec<String>), Error> {
    let (mut found, mut reasons) = (Vec::new(), Vec::new());
    for had in [newest_mysql(cache)?, mariadb(cache)?] {
        match had {
            Ok(server) => found.push(server),
            Err(reason) => reasons.push(reason),
        }
    }
    Ok((found, reasons))
}

/// MariaDB as the distribution has it, or why it can't be had.
pub fn mariadb(cache: &Cache) -> Result<Result<Unpacked, String>, Error> {
    of_release(cache, &MARIADB, debian::own_release().filter(|_| debian::available()))
}

fn newest_mysql(cache: &Cache) -> Result<Result<Unpacked, String>, Error> {
    of_release(cache, &MYSQL, debian::has_unstable().then(|| debian::UNSTABLE.to_owned()))
}

fn of_release(cache: &Cache, wanted: &Wanted, release: Option<String>) -> Result<Result<Unpacked, String>, Error> {
    let _lock = cache.lock("servers")?;
    cache::make_folder(&cache.servers())?;
    let Some(release) = release else {
        return Ok(Err(format!("{}: its packages are not in this system's archive", wanted.name)));
    };
    match unpacked(cache, wanted, &release) {
        Ok(server) => Ok(Ok(server)),
        Err(Error::Failed(text)) => Ok(Err(format!("{}: {text}", wanted.name))),
        Err(other) => Err(other),
    }
}

fn unpacked(cache: &Cache, wanted: &Wanted, release: &str) -> Result<Unpacked, Error> {
    let root = cache.servers().join(wanted.name);
    let server = Unpacked { name: wanted.name, root: root.clone() };
    let starts = |root: &PathBuf| {
        let program = root.join(wanted.server);
        program.exists() && run::output(Command::new(program).args(["--no-defaults", "--version"])).is_some()
    };
    if starts(&root) {
        return Ok(server);
    }
    let tree = root.with_file_name(format!("{}.new", machine::file_name(&root)));
    cache::remove_folder(&tree)?;
    cache::make_folder(&tree)?;
    debian::unpack(cache, release, wanted.packages, &tree)?;
    debian::wrap(&tree, &root, "usr/sbin")?;
    debian::wrap(&tree, &root, "usr/bin")?;
    cache::publish(&tree, &root)?;
    match starts(&root) {
        true => Ok(server),
        false => Err(Error::Failed(format!("{} was unpacked but does not start", root.join(wanted.server).display()))),
    }
}
