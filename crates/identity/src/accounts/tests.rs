use std::{fs, os::unix::fs::PermissionsExt};

use tempfile::TempDir;

use super::*;
use crate::secret::{ITERATIONS, SALT_BYTES};

fn secret(text: &str) -> Credential {
    Credential::Secret(SecretString::from(text))
}

fn configured(name: &str, text: &str) -> Configured {
    Configured { name: name.to_owned(), roles: vec!["agent".to_owned()], credential: secret(text) }
}

fn roles(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

fn open(folder: &TempDir) -> Accounts {
    Accounts::open(folder.path(), vec![configured("toml", "configured secret")]).unwrap()
}

fn passes(accounts: &Accounts, name: &str, text: &str) -> bool {
    accounts.check_password(name, &SecretString::from(text)).is_some()
}

#[test]
fn both_kinds_of_accounts_log_in_with_their_own_secret_and_roles() {
    let folder = TempDir::new().unwrap();
    let accounts = open(&folder);
    let made = accounts.create("kept", roles(&["dba", "audit"]), None).unwrap().unwrap();
    let kept = accounts.check_password("kept", &made).unwrap();
    assert_eq!(kept, Principal::local("kept", roles(&["dba", "audit"])));
    assert!(passes(&accounts, "toml", "configured secret"));
    assert!(!passes(&accounts, "toml", made.expose_secret()));
    assert!(!passes(&accounts, "kept", "configured secret"));
    assert!(!passes(&accounts, "kept", ""));
    assert!(!passes(&accounts, "kept", &"x".repeat(MAX_SECRET_BYTES + 1)));
}

#[test]
fn a_made_secret_is_long_random_and_returned_only_when_none_was_given() {
    let folder = TempDir::new().unwrap();
    let accounts = open(&folder);
    let first = accounts.create("a", vec![], None).unwrap().unwrap();
    let second = accounts.create("b", vec![], None).unwrap().unwrap();
    assert_ne!(first.expose_secret(), second.expose_secret());
    assert_eq!(first.expose_secret().len(), 32);
    assert!(first.expose_secret().chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'));
    assert!(accounts.create("c", vec![], Some(secret("given secret"))).unwrap().is_none());
    assert!(passes(&accounts, "c", "given secret"));
}

#[test]
fn accounts_survive_a_restart_and_the_file_is_private_and_holds_no_secret() {
    let folder = TempDir::new().unwrap();
    let made = open(&folder).create("kept", roles(&["dba"]), None).unwrap().unwrap();
    let accounts = open(&folder);
    assert!(accounts.check_password("kept", &made).is_some());
    for file in ["accounts.toml", "keys/mock-salt"] {
        let path = folder.path().join(file);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
        assert!(!String::from_utf8_lossy(&fs::read(&path).unwrap()).contains(made.expose_secret()), "{file}");
    }
    assert_eq!(fs::metadata(folder.path().join("keys")).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn rotating_ends_the_old_secret_and_disabling_ends_both() {
    let folder = TempDir::new().unwrap();
    let accounts = open(&folder);
    let old = accounts.create("kept", roles(&["dba"]), None).unwrap().unwrap();
    let new = accounts.rotate("kept", None).unwrap().unwrap();
    assert!(accounts.check_password("kept", &old).is_none());
    assert!(accounts.check_password("kept", &new).is_some());
    accounts.disable("kept").unwrap();
    assert!(accounts.check_password("kept", &new).is_none());
    assert!(accounts.principal("kept").is_none());
    assert!(open(&folder).check_password("kept", &new).is_none(), "also after a restart");
    accounts.enable("kept").unwrap();
    assert!(accounts.check_password("kept", &new).is_some());
    assert_eq!(accounts.principal("kept"), Some(Principal::local("kept", roles(&["dba"]))));
}

#[test]
fn an_exchange_shows_neither_whether_a_name_exists_nor_that_it_changed() {
    let folder = TempDir::new().unwrap();
    let accounts = open(&folder);
    let before = accounts.lookup("kept");
    assert!(before.principal.is_none());
    let public = |login: &Login| (login.verifier.iterations, login.verifier.salt.clone());
    accounts.create("kept", vec![], None).unwrap();
    let known = accounts.lookup("kept");
    assert_eq!(public(&before), public(&known), "making it");
    assert_ne!(before.verifier.stored_key, known.verifier.stored_key);
    accounts.rotate("kept", None).unwrap();
    assert_eq!(public(&before), public(&accounts.lookup("kept")), "rotating it");
    accounts.disable("kept").unwrap();
    let disabled = accounts.lookup("kept");
    assert_eq!(public(&before), public(&disabled), "disabling it");
    assert_ne!(disabled.verifier.stored_key, known.verifier.stored_key, "no secret fits a disabled account");
    assert_eq!(public(&before), public(&open(&folder).lookup("kept")), "a restart");
    assert_eq!(public(&before).0, ITERATIONS);
    assert_ne!(accounts.lookup("another").verifier.salt, before.verifier.salt);
}

#[test]
fn a_disabled_account_keeps_the_salt_that_its_verifier_came_with() {
    let folder = TempDir::new().unwrap();
    let accounts = open(&folder);
    let brought = crate::secret::verifier("made elsewhere", &[9; SALT_BYTES]);
    accounts.create("brought", vec![], Some(Credential::Verifier(brought.clone()))).unwrap();
    assert!(passes(&accounts, "brought", "made elsewhere"));
    accounts.disable("brought").unwrap();
    assert_eq!(accounts.lookup("brought").verifier.salt, brought.salt);
}

#[test]
fn a_secret_beyond_the_bound_is_not_even_hashed() {
    let folder = TempDir::new().unwrap();
    let accounts = open(&folder);
    let long = "x".repeat(MAX_SECRET_BYTES + 1);
    for (name, text) in [("long", long.as_str()), ("longest", &long[1..])] {
        let verifier = crate::secret::verifier(text, &[9; SALT_BYTES]);
        accounts.create(name, vec![], Some(Credential::Verifier(verifier))).unwrap();
        assert_eq!(passes(&accounts, name, text), name == "longest");
    }
}

#[test]
fn a_name_defined_in_both_places_is_an_error_that_names_both() {
    let folder = TempDir::new().unwrap();
    let accounts = open(&folder);
    let error = accounts.create("toml", vec![], None).unwrap_err();
    assert!(matches!(error, Error::Twice { .. }), "{error}");
    accounts.create("kept", vec![], None).unwrap();
    let error = accounts.create("kept", vec![], None).unwrap_err();
    assert!(matches!(error, Error::Exists { .. }), "{error}");
    let error = accounts.reload(vec![configured("kept", "configured secret")]).unwrap_err().to_string();
    assert!(error.contains("the configuration file") && error.contains("accounts.toml"), "{error}");
    let twice = vec![configured("x", "configured secret"), configured("x", "configured secret")];
    assert!(matches!(accounts.reload(twice).unwrap_err(), Error::Twice { .. }));
}

#[test]
fn a_reload_is_all_or_nothing() {
    let folder = TempDir::new().unwrap();
    let accounts = open(&folder);
    let before = accounts.list();
    assert!(accounts.reload(vec![configured("new", "new secret"), configured("short", "x")]).is_err());
    drop(accounts.prepare(vec![configured("new", "new secret")]).unwrap());
    assert_eq!(accounts.list(), before);
    accounts.reload(vec![configured("new", "new secret")]).unwrap();
    assert!(passes(&accounts, "new", "new secret"));
    assert!(!passes(&accounts, "toml", "configured secret"), "left out means gone");
    accounts.create("kept", vec![], None).unwrap();
    assert!(passes(&accounts, "new", "new secret"), "a later change keeps the reloaded configuration");
}

#[test]
fn a_reload_takes_in_what_another_process_wrote() {
    let folder = TempDir::new().unwrap();
    let (gateway, cli) = (open(&folder), open(&folder));
    let mut changes = gateway.changes();
    let made = cli.create("kept", roles(&["dba"]), None).unwrap().unwrap();
    assert!(gateway.check_password("kept", &made).is_none());
    gateway.reload(Vec::new()).unwrap();
    assert!(gateway.check_password("kept", &made).is_some());
    assert!(changes.has_changed().unwrap() && *changes.borrow_and_update() > 0);
    let own = gateway.create("own", vec![], None).unwrap().unwrap();
    cli.disable("kept").unwrap();
    cli.reload(Vec::new()).unwrap();
    assert!(cli.check_password("own", &own).is_some(), "neither process loses the other's changes");
}

#[test]
fn while_another_process_changes_accounts_a_change_is_refused_with_a_remedy() {
    let folder = TempDir::new().unwrap();
    let accounts = open(&folder);
    let held = files::lock(&kept::path(folder.path())).unwrap();
    assert!(matches!(accounts.create("kept", vec![], None).unwrap_err(), Error::Busy { .. }));
    drop(held);
    accounts.create("kept", vec![], None).unwrap();
}

#[test]
fn only_kept_accounts_are_changed_here() {
    let folder = TempDir::new().unwrap();
    let accounts = open(&folder);
    assert!(matches!(accounts.disable("toml").unwrap_err(), Error::Configured { .. }));
    assert!(matches!(accounts.rotate("toml", None).unwrap_err(), Error::Configured { .. }));
    assert!(matches!(accounts.rotate("nobody", None).unwrap_err(), Error::Unknown { .. }));
}

#[test]
fn weak_or_foreign_credentials_are_refused() {
    let folder = TempDir::new().unwrap();
    let accounts = open(&folder);
    let strange =
        ScramVerifier { iterations: 10_000, salt: vec![1; SALT_BYTES], stored_key: [1; 32], server_key: [1; 32] };
    let salty = ScramVerifier { iterations: ITERATIONS, salt: vec![1; 8], ..strange.clone() };
    for bad in [
        secret(""),
        secret("short"),
        secret("with\0zero byte"),
        secret(&"x".repeat(MAX_SECRET_BYTES + 1)),
        Credential::Verifier(strange),
        Credential::Verifier(salty),
    ] {
        assert!(matches!(accounts.create("kept", vec![], Some(bad)).unwrap_err(), Error::Secret { .. }));
    }
    assert_eq!(accounts.list().len(), 1);
}

#[test]
fn a_damaged_or_exposed_file_is_refused_by_line_without_showing_it() {
    let folder = TempDir::new().unwrap();
    open(&folder).create("kept", vec![], None).unwrap();
    let path = folder.path().join("accounts.toml");
    let good = fs::read_to_string(&path).unwrap();
    let verifier = good.lines().find(|l| l.starts_with("verifier")).unwrap().to_owned();
    let stored = verifier.split(['$', ':']).nth(4).unwrap();
    for bad in [
        good.replace("enabled = true", "enabled = 3"),
        good.replace("enabled = true", "enabled = true\nunknown = 1"),
        good.replace("SCRAM-SHA-256$4096", "SCRAM-SHA-256$0"),
        good.replace("SCRAM-SHA-256$4096", "SCRAM-SHA-256$1"),
        good.replace("name = \"kept\"", "name = \"*\""),
        good.replace("verifier = \"", "verifier = "),
        format!("{good}{good}"),
        "\u{feff}[[".to_owned(),
    ] {
        fs::write(&path, &bad).unwrap();
        let error = Accounts::open(folder.path(), vec![]).unwrap_err().to_string();
        assert!(!error.contains(stored), "{error}");
    }
    fs::write(&path, good.replace("enabled = true", "enabled = 3")).unwrap();
    let error = Accounts::open(folder.path(), vec![]).unwrap_err().to_string();
    assert!(error.contains("accounts.toml:6: "), "{error}");
    fs::write(&path, &good).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(Accounts::open(folder.path(), vec![]).unwrap_err().remedy().contains("chmod 600"));
}

#[test]
fn a_key_of_a_wrong_length_is_refused_and_never_replaced() {
    let folder = TempDir::new().unwrap();
    drop(open(&folder));
    let path = folder.path().join("keys/mock-salt");
    for wrong in [vec![1; 31], vec![1; 33], vec![]] {
        fs::write(&path, &wrong).unwrap();
        assert!(Accounts::open(folder.path(), vec![]).is_err());
        assert_eq!(fs::read(&path).unwrap(), wrong);
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error_and_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let accounts = open(&folder);
    fs::create_dir(folder.path().join("accounts.lock")).unwrap();
    assert!(matches!(accounts.create("kept", vec![], None).unwrap_err(), Error::File { .. }));
    assert!(accounts.lookup("kept").principal.is_none());
}

#[test]
fn nothing_that_is_printed_for_debugging_holds_a_secret_or_verifier() {
    let folder = TempDir::new().unwrap();
    let accounts = open(&folder);
    let shown = format!("{accounts:?} {:?} {:?}", configured("x", "configured secret"), accounts.lookup("toml"));
    assert!(!shown.contains("configured secret"));
    assert!(!shown.contains("stored_key"), "{shown}");
}

#[test]
fn more_accounts_than_the_bound_are_refused() {
    let folder = TempDir::new().unwrap();
    let verifier = crate::secret::verifier("some secret", &[1; SALT_BYTES]);
    let many = |count: usize| -> Vec<Configured> {
        let account =
            |n| Configured { name: format!("a{n}"), roles: vec![], credential: Credential::Verifier(verifier.clone()) };
        (0..count).map(account).collect()
    };
    assert!(matches!(Accounts::open(folder.path(), many(MAX_ACCOUNTS + 1)).unwrap_err(), Error::TooMany { .. }));
    let full = Accounts::open(folder.path(), many(MAX_ACCOUNTS)).unwrap();
    assert!(matches!(full.create("one-more", vec![], None).unwrap_err(), Error::TooMany { .. }));
}

#[test]
fn changes_from_many_threads_are_all_kept() {
    let folder = TempDir::new().unwrap();
    let accounts = open(&folder);
    std::thread::scope(|scope| {
        for n in 0..8 {
            let accounts = &accounts;
            scope.spawn(move || accounts.create(&format!("t{n}"), vec![], None).unwrap());
        }
    });
    assert_eq!(accounts.list().len(), 9);
    assert_eq!(open(&folder).list(), accounts.list());
}
