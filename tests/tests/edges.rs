//! The shape of the workspace: which crate may know which, and the rules that every crate keeps.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says what went wrong by failing")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// What each crate may depend on besides `record`, which all may. ARCHITECTURE.md has the reason for each edge.
const ALLOWED: [(&str, &[&str]); 12] = [
    ("approvals", &[]),
    ("console", &["journal", "export", "approvals", "identity", "policy"]),
    ("export", &["journal"]),
    ("gateway", &["session", "policy", "sql", "mask", "journal", "approvals", "identity", "postgres", "mysql"]),
    ("identity", &[]),
    ("journal", &[]),
    ("mask", &[]),
    ("mysql", &[]),
    ("policy", &["sql", "mask"]),
    ("postgres", &[]),
    ("session", &["policy"]),
    ("sql", &["mask"]),
];
/// The package that wires all others together.
const BINARY: &str = "querygate";
/// Packages that may depend on anything, because nothing that ships depends on them.
const FREE: [&str; 3] = ["testkit", "tests", "benches"];
/// The longest source file. One file holds one idea.
const LONGEST_FILE_LINES: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// The crate's folder name, from its package name.
fn short(package: &str) -> &str {
    package.strip_prefix("querygate-").unwrap_or(package)
}

/// Every edge between our own packages: (from, to), as cargo sees them, without those for tests.
fn edges() -> Vec<(String, String)> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let names: BTreeSet<&str> = packages.iter().map(|package| package["name"].as_str().unwrap()).collect();
    let mut found = Vec::new();
    for package in packages {
        let from = package["name"].as_str().unwrap();
        for dependency in package["dependencies"].as_array().unwrap() {
            let to = dependency["name"].as_str().unwrap();
            if names.contains(to) && dependency["kind"] != "dev" {
                found.push((short(from).to_owned(), short(to).to_owned()));
            }
        }
    }
    found
}

fn allowed(from: &str, to: &str) -> bool {
    let shared = to == "record" && from != "record" && from != "xtask";
    let listed = ALLOWED.iter().any(|(name, to_all)| *name == from && to_all.contains(&to));
    let wiring = from == BINARY && !FREE.contains(&to) && to != "xtask";
    shared || listed || wiring || FREE.contains(&from)
}

#[test]
fn crates_depend_only_on_what_the_design_lists() {
    let wrong: Vec<String> = edges()
        .into_iter()
        .filter(|(from, to)| !allowed(from, to))
        .map(|(from, to)| format!("{from} → {to}"))
        .collect();
    assert!(
        wrong.is_empty(),
        "edges that the design doesn't have: {}. Remove the dependency, or add the edge to ALLOWED with its reason in ARCHITECTURE.md",
        wrong.join(", ")
    );
}

#[test]
fn the_edge_check_refuses_what_it_should() {
    assert!(allowed("sql", "mask") && allowed("gateway", "mysql") && allowed("session", "record"));
    assert!(!allowed("sql", "policy"), "the analysis must not know policy");
    assert!(!allowed("record", "mask"), "the vocabulary knows nobody");
    assert!(!allowed("gateway", "console"), "the gateway must not know the console");
    assert!(!allowed("policy", "testkit") && !allowed("querygate", "testkit"), "tests' tools must not ship");
    assert!(!allowed("xtask", "record"), "chores run when nothing else builds");
}

fn crate_folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

#[test]
fn every_package_takes_the_lints_of_the_workspace() {
    let others = ["tests", "xtask", "benches"].map(|name| root().join(name));
    for folder in crate_folders().into_iter().chain(others).filter(|folder| folder.join("Cargo.toml").exists()) {
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{}/Cargo.toml lacks `[lints] workspace = true`, which forbids unsafe code",
            folder.display()
        );
    }
}

/// What the opening of a crate's `lib.rs` lacks.
fn lacks(text: &str, example: bool) -> Vec<&'static str> {
    let opening: String = text.lines().take_while(|line| line.starts_with("//!")).collect::<Vec<_>>().join("\n");
    let wanted = [
        (opening.lines().count() >= 3, "its job"),
        (opening.to_lowercase().contains("not know"), "what it must not know"),
        (!example || opening.contains("```"), "an example"),
    ];
    wanted.into_iter().filter(|(there, _)| !there).map(|(_, what)| what).collect()
}

#[test]
fn every_crate_opens_with_its_job_what_it_must_not_know_and_an_example() {
    let mut wrong = Vec::new();
    for folder in crate_folders() {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let Ok(text) = fs::read_to_string(folder.join("src/lib.rs")) else { continue };
        let lacking = lacks(&text, !FREE.contains(&name.as_str()));
        if !lacking.is_empty() {
            wrong.push(format!("crates/{name}/src/lib.rs must open with {}", lacking.join(", ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(lacks("//! Placeholder.\n", true), ["its job", "what it must not know", "an example"]);
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && path.file_name().is_none_or(|name| name != "target") {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_source_file_is_longer_than_one_idea() {
    let mut files = Vec::new();
    for part in ["crates", "xtask", "tests", "benches", "fuzz"] {
        rust_files(&root().join(part), &mut files);
    }
    assert!(!files.is_empty());
    let long: BTreeMap<String, usize> = files
        .iter()
        .map(|path| (path.display().to_string(), fs::read_to_string(path).unwrap().lines().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE_LINES)
        .collect();
    assert!(long.is_empty(), "files of more than {LONGEST_FILE_LINES} lines: {long:?}");
}
