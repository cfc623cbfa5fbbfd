//! Everyday sessions of drivers and frameworks. Each writes down what it got, line by line: past the gateway, through it as somebody who sees all
//! (the same), and through it as somebody from whom values are masked (the same but for those values).
//!
//! The sessions themselves stand in `tests/clients`; `cargo xtask` prepares what they load.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by failing")]

mod stage;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use querygate_testkit::{Error, Target, postgres};
use stage::{EMPTY, Stage, masked};

/// Where the scripts of the clients are.
fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

/// A program that the environment names.
fn program(variable: &str) -> Command {
    let named = std::env::var_os(variable);
    Command::new(named.unwrap_or_else(|| panic!("{variable} is not set: run `eval \"$(cargo xtask env)\"`")))
}

/// What a session wrote.
fn written(stage: &Stage, session: &mut Command, target: &Target) -> String {
    stage.tell(session, target);
    let ran = session.output().unwrap();
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{session:?} ended with {}\n{errors}", ran.status);
    String::from_utf8(ran.stdout).unwrap()
}

/// The session writes the same through the gateway, on every version of the server.
fn assert_same(driver: &str, least: usize, session: impl Fn(&Stage) -> Command) -> Result<(), Error> {
    for version in postgres::versions() {
        let stage = Stage::shared(version)?;
        let direct = written(&stage, &mut session(&stage), &stage.direct(driver));
        assert!(direct.lines().count() >= least, "{direct}");
        let through = written(&stage, &mut session(&stage), &stage.dba(driver));
        assert_lines(&through, &direct, &format!("{driver} on Postgres {version}"));
        let asked_little = || {
            let mut session = session(&stage);
            session.env("QG_MASKED", "1");
            session
        };
        let direct = written(&stage, &mut asked_little(), &stage.direct(driver));
        let through = written(&stage, &mut asked_little(), &stage.agent(driver));
        assert_lines(&through, &masked(&direct), &format!("{driver} on Postgres {version}, masked"));
        assert!(through.contains("u***@e***.com") && !through.contains("@example.com"), "{through}");
    }
    Ok(())
}

/// Both texts are the same; else the first line that differs is shown.
fn assert_lines(seen: &str, expected: &str, what: &str) {
    for (number, (seen, expected)) in seen.lines().zip(expected.lines()).enumerate() {
        assert_eq!(seen, expected, "{what}, line {}", number + 1);
    }
    assert_eq!(seen.lines().count(), expected.lines().count(), "{what}");
}

fn python(script: &str) -> Command {
    let mut command = program("QUERYGATE_PYTHON");
    command.arg(clients().join("python").join(script));
    command
}

#[test]
fn a_session_of_asyncpg_is_the_same() -> Result<(), Error> {
    assert_same("asyncpg", 45, |_| python("asyncpg_session.py"))
}

#[test]
fn a_session_of_sqlalchemy_is_the_same() -> Result<(), Error> {
    assert_same("sqlalchemy", 90, |_| python("sqlalchemy_session.py"))
}

#[test]
fn a_session_of_django_is_the_same_with_values_in_the_text_and_apart_from_it() -> Result<(), Error> {
    assert_same("django", 35, |_| python("django_session.py"))?;
    assert_same("django", 35, |_| {
        let mut command = python("django_session.py");
        command.env("QG_SERVER_BINDING", "1");
        command
    })
}

#[test]
fn a_session_of_node_postgres_is_the_same() -> Result<(), Error> {
    assert_same("node", 35, |_| {
        program("QUERYGATE_NODE_MODULES");
        let mut command = Command::new("node");
        command.arg("--no-deprecation").arg(clients().join("node/session.js"));
        command
    })
}

#[test]
fn a_session_of_pgx_is_the_same() -> Result<(), Error> {
    let folder = Stage::shared(postgres::versions()[0])?;
    let client = folder.folder().join("pgx-session");
    let mut build = program("QUERYGATE_GO");
    build.args(["build", "-o"]).arg(&client).arg(".").current_dir(clients().join("go"));
    let built = build.output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    assert_same("pgx", 60, |_| Command::new(&client))
}

/// A dump without its comments, and without the word that pg_dump makes up for each dump.
fn dump(stage: &Stage, target: &Target, options: &[&str]) -> String {
    let text = written(stage, program("QUERYGATE_PG_DUMP").args(options), target);
    let kept =
        text.lines().filter(|line| !["--", "\\restrict", "\\unrestrict"].iter().any(|mark| line.starts_with(mark)));
    kept.map(|line| format!("{line}\n")).collect()
}

#[test]
fn pg_dump_dumps_the_same_schema_and_data() -> Result<(), Error> {
    for version in postgres::versions() {
        let stage = Stage::shared(version)?;
        for options in [
            &["--schema-only"][..],
            &[],
            &["--inserts", "--no-owner", "--clean", "--if-exists"],
            &["--data-only", "--column-inserts"],
        ] {
            let direct = dump(&stage, &stage.direct("pg_dump"), options);
            assert!(direct.lines().count() > 100, "{direct}");
            assert_lines(
                &dump(&stage, &stage.dba("pg_dump"), options),
                &direct,
                &format!("pg_dump {options:?} of {version}"),
            );
        }
    }
    Ok(())
}

#[test]
fn pg_dump_reads_sizes_and_is_told_so_where_values_are_masked() -> Result<(), Error> {
    let stage = Stage::shared(postgres::versions()[0])?;
    let mut command = program("QUERYGATE_PG_DUMP");
    stage.tell(&mut command, &stage.agent("pg_dump"));
    let ran = command.arg("--schema-only").output().unwrap();
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(!ran.status.success() && told.contains("pg_class.relpages") && told.contains("HINT"), "{told}");
    assert!(ran.stdout.is_empty());
    Ok(())
}

#[test]
fn a_dump_is_restored_in_one_transaction_and_is_masked_from_then_on() -> Result<(), Error> {
    // What pg_dump writes is for a server of its own version.
    let stage = Stage::shared(postgres::versions()[0])?;
    let whole = written(&stage, program("QUERYGATE_PG_DUMP").arg("--no-owner"), &stage.direct("pg_dump"));
    let options = ["-1", "--quiet", "--output=/dev/null", "--set", "ON_ERROR_STOP=1"];
    stage.dba(EMPTY).psql(&options, &whole)?.ok()?;
    let again = dump(&stage, &stage.direct(EMPTY), &["--no-owner"]);
    assert_lines(&again, &dump(&stage, &stage.direct("pg_dump"), &["--no-owner"]), "the restored database");
    let seen = stage.agent(EMPTY).psql(&["-At", "-c", "SELECT id, email FROM people WHERE id = 1"], "")?.ok()?;
    assert_eq!(seen.stdout, "1|u***@e***.com\n");
    Ok(())
}
