//! Database drivers of other languages that the tests speak through.

use std::{path::PathBuf, process::Command};

use crate::{
    cache::{self, Cache},
    error::Error,
    run,
};

/// Python's driver, with its own libpq.
const PSYCOPG: &str = "psycopg[binary]==3.3.9";
/// Java's driver.
const PGJDBC: &str = "42.7.14";

/// Where the drivers are.
#[derive(Clone, Debug)]
pub struct Drivers {
    /// A Python that can import psycopg.
    pub python: PathBuf,
    /// The archive of pgjdbc.
    pub pgjdbc: PathBuf,
}

/// Fetches what is missing.
pub fn fetch(cache: &Cache) -> Result<Drivers, Error> {
    let _lock = cache.lock("drivers")?;
    Ok(Drivers { python: python(cache)?, pgjdbc: pgjdbc(cache)? })
}

fn python(cache: &Cache) -> Result<PathBuf, Error> {
    let folder = cache.tools().join("python");
    let python = folder.join("bin/python");
    if run::output(Command::new(&python).args(["-c", "import psycopg"])).is_some() {
        return Ok(python);
    }
    cache::remove_folder(&folder)?;
    run::quietly(cache, "python environment", Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    run::quietly(
        cache,
        "pip install psycopg",
        Command::new(&python).args(["-m", "pip", "install", "--quiet", PSYCOPG]),
    )?;
    Ok(python)
}

fn pgjdbc(cache: &Cache) -> Result<PathBuf, Error> {
    let folder = cache.tools().join("java");
    let archive = folder.join(format!("postgresql-{PGJDBC}.jar"));
    if archive.exists() {
        return Ok(archive);
    }
    cache::make_folder(&folder)?;
    let mut command = Command::new("mvn");
    command.args(["--batch-mode", "dependency:copy", "-Dmdep.useBaseVersion=true"]);
    command
        .arg(format!("-Dartifact=org.postgresql:postgresql:{PGJDBC}"))
        .arg(format!("-DoutputDirectory={}", folder.display()));
    run::quietly(cache, "maven pgjdbc", command.current_dir(&folder))?;
    if archive.exists() { Ok(archive) } else { Err(Error::Failed(format!("maven left no {}", archive.display()))) }
}
