//! Inputs that once made a reader fail, and the ones that its fuzzer starts from, never fail again.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::{fs, path::Path};

use querygate_tests::fuzzed;

fn fixtures() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto-fixtures")
}

#[test]
fn every_input_that_once_failed_is_handled() {
    for folder in fs::read_dir(fixtures().join("regressions"))
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().is_dir())
    {
        let name = folder.file_name().to_string_lossy().into_owned();
        for input in fs::read_dir(folder.path()).unwrap().flatten() {
            assert!(fuzzed::run(&name, &fs::read(input.path()).unwrap()), "no fuzzer is named {name}");
        }
    }
}

#[test]
fn captured_exchanges_are_read_whole() {
    let readers = [
        ("postgres", &["postgres_client", "postgres_server", "postgres_startup"][..]),
        ("mysql", &["mysql_client", "mysql_server"]),
    ];
    for (folder, names) in readers {
        let mut count = 0;
        for exchange in fs::read_dir(fixtures().join(folder)).unwrap().flatten() {
            let bytes = fs::read(exchange.path()).unwrap();
            for name in names {
                assert!(fuzzed::run(name, &bytes));
            }
            count += 1;
        }
        assert!(count > 0, "no exchanges were found in {folder}");
    }
}

#[test]
fn every_line_that_a_fuzzer_starts_from_is_handled() {
    for (name, reader) in fuzzed::ALL {
        let lines = fs::read_to_string(fixtures().join("seeds").join(format!("{name}.txt"))).unwrap_or_default();
        lines.lines().for_each(|line| reader(line.as_bytes()));
    }
}

#[test]
fn every_reader_has_its_fuzzer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/fuzz_targets");
    let mut targets: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    targets.sort();
    assert_eq!(targets, fuzzed::ALL.map(|(name, _)| name));
}
