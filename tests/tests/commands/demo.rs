//! The demo, which checks itself: here, that it says so, and that nothing of it is left.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use querygate_testkit::{Error, gateway};
use tempfile::TempDir;

/// A folder for temporary folders, which an unprivileged server can pass through.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
    folder
}

fn demo(temporary: &Path) -> Result<Command, Error> {
    let mut command = Command::new(gateway::binary()?);
    command.arg("demo").env("TMPDIR", temporary).stdin(Stdio::null());
    Ok(command)
}

/// Whether a program of the demo still runs: each has the demo's folder for its own.
fn is_running(temporary: &Path) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes.filter_map(|process| fs::read_link(process.path().join("cwd")).ok()).any(|cwd| cwd.starts_with(temporary))
}

fn assert_nothing_is_left(temporary: &Path) {
    assert!(!is_running(temporary), "a program outlived the demo");
    let left: Vec<_> = fs::read_dir(temporary).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(left.is_empty(), "{left:?} is left");
}

#[test]
fn every_step_comes_out_as_it_should_and_nothing_is_left() -> Result<(), Error> {
    let temporary = folder();
    let ran = demo(temporary.path())?.output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{said}\n{}", String::from_utf8_lossy(&ran.stderr));
    assert!(said.contains("All 16 steps came out as they should"), "{said}");
    assert!(said.contains("agent@support"), "{said}");
    assert!(!said.contains('\u{1b}'), "it is coloured although nobody looks");
    assert_nothing_is_left(temporary.path());
    Ok(())
}

#[test]
fn without_a_mariadb_it_says_so_and_shows_the_rest() -> Result<(), Error> {
    let temporary = folder();
    let ran = demo(temporary.path())?.env_remove("QUERYGATE_MARIADB").output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{said}\n{}", String::from_utf8_lossy(&ran.stderr));
    assert!(said.contains("no MariaDB is here") && said.contains("All 14 steps came out as they should"), "{said}");
    assert_nothing_is_left(temporary.path());
    Ok(())
}

#[test]
fn it_stays_with_keep_until_it_is_interrupted_and_then_nothing_is_left() -> Result<(), Error> {
    let temporary = folder();
    let mut running = demo(temporary.path())?.arg("--keep").stdout(Stdio::piped()).spawn().unwrap();
    let lines: Vec<String> = BufReader::new(running.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .take_while(|line| !line.starts_with("Ctrl-C ends everything"))
        .collect();
    let pasted = |marks: [&str; 2], statement: &str| {
        let line =
            lines.iter().find(|line| marks.iter().all(|mark| line.contains(mark))).map_or("false", String::as_str);
        let output = Command::new("sh").args(["-c", &format!("{line} {statement}")]).output().unwrap();
        (String::from_utf8_lossy(&output.stdout).into_owned(), format!("{line}: {output:?}"))
    };
    let psql = pasted(["PGPASSWORD=", "-U agent"], "-At -c 'SELECT ssn FROM customers WHERE id = 1'");
    let mariadb = pasted(["MYSQL_PWD=", "--user=agent"], "-N -e 'SELECT phone FROM contacts WHERE id = 1'");
    let runs = is_running(temporary.path());
    // Before anything is asserted, so that nothing stays when something fails.
    Command::new("sh").args(["-c", &format!("kill -s INT {}", running.id())]).status().unwrap();
    assert!(running.wait().unwrap().success());
    let shown = lines.join("\n");
    assert!(runs && shown.contains("jdbc:postgresql://127.0.0.1:"), "{shown}");
    assert!(psql.0.starts_with("*******"), "{}", psql.1);
    assert!(mariadb.0.starts_with("***"), "{}", mariadb.1);
    assert_nothing_is_left(temporary.path());
    Ok(())
}

#[test]
fn interrupted_in_the_middle_it_says_no_and_nothing_is_left() -> Result<(), Error> {
    let temporary = folder();
    let mut running = demo(temporary.path())?.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(running.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("querygate serve")));
    Command::new("sh").args(["-c", &format!("kill -s TERM {}", running.id())]).status().unwrap();
    // It may write as long as it runs.
    lines.for_each(drop);
    assert!(!running.wait().unwrap().success());
    assert_nothing_is_left(temporary.path());
    Ok(())
}

#[test]
fn without_a_postgres_it_says_how_to_get_one() -> Result<(), Error> {
    let temporary = folder();
    let ran = demo(temporary.path())?.env_remove("QUERYGATE_PSQL").output().unwrap();
    assert_eq!(ran.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("cargo xtask demo"));
    let broken = demo(temporary.path())?.env("QUERYGATE_POSTGRES_BIN", "/nowhere").output().unwrap();
    assert_eq!(broken.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&broken.stderr).contains("/nowhere/initdb"));
    assert_nothing_is_left(temporary.path());
    Ok(())
}
