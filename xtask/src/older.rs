//! `cargo xtask older`: the tests of what is promised, on the versions of Postgres between those of every run.

use crate::{
    environment,
    error::Error,
    prepare, run,
    servers::{self, Postgres},
};

/// The versions that are still maintained and that `cargo xtask test` does not run on.
const VERSIONS: [u32; 3] = [14, 16, 17];
/// The tests that need no program of the server's besides the server, and nothing that came after the oldest.
const TESTS: [&str; 11] = [
    "cancel",
    "conversations",
    "jdbc",
    "promises",
    "protocol",
    "psql",
    "psycopg",
    "startup",
    "tokio_postgres",
    "twin",
    "two_worlds",
];

/// Fetches those servers, and runs the tests on each. All are run, whatever fails.
pub fn run(arguments: &[String]) -> Result<(), Error> {
    let versions = chosen(arguments)?;
    let mut prepared = prepare::for_tests()?;
    let clients = prepared.environment.clone();
    let is_server = |name: &str| name.starts_with("QUERYGATE_POSTGRES_BIN");
    let clients: Vec<_> = clients.into_iter().filter(|(name, _)| !is_server(name)).collect();
    if !run::openly(prepared.cargo().args(["build", "--locked", "--package", "querygate"]))?.success() {
        return Err(Error::Failed("the gateway could not be built".to_owned()));
    }
    let mut failed = Vec::new();
    for version in versions {
        let Postgres { programs, origin, .. } = servers::older(&prepared.cache, version)?;
        println!("\n=== Postgres {version}, from {origin} ===");
        prepared.environment = clients.clone();
        for name in ["QUERYGATE_POSTGRES_BIN".to_owned(), format!("QUERYGATE_POSTGRES_BIN_{version}")] {
            prepared.environment.push(environment::pair(&name, &programs));
        }
        let mut command = prepared.cargo();
        command.args(["test", "--locked", "--no-fail-fast", "--package", "querygate-tests"]);
        command.args(TESTS.iter().flat_map(|test| ["--test", test]));
        // The worlds on MySQL are the same whatever Postgres there is.
        command.args(["--", "--skip", "mysql::"]);
        if !run::openly(&mut command)?.success() {
            failed.push(version.to_string());
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(Error::Failed(format!("tests failed on Postgres {}", failed.join(", ")))),
    }
}

fn chosen(arguments: &[String]) -> Result<Vec<u32>, Error> {
    if arguments.is_empty() {
        return Ok(VERSIONS.to_vec());
    }
    let read = |text: &String| text.parse().ok().filter(|version| VERSIONS.contains(version));
    arguments
        .iter()
        .map(|text| read(text).ok_or_else(|| Error::Usage(format!("older knows {VERSIONS:?}, and not `{text}`"))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_named_or_all_and_no_others() {
        let chosen = |arguments: &[&str]| super::chosen(&arguments.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>());
        assert_eq!(chosen(&[]).unwrap(), VERSIONS);
        assert_eq!(chosen(&["16"]).unwrap(), [16]);
        assert!(matches!(chosen(&["15"]), Err(Error::Usage(_))));
        assert!(matches!(chosen(&["newest"]), Err(Error::Usage(_))));
    }
}
