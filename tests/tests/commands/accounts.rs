use std::{fs, os::unix::fs::PermissionsExt};

use querygate_testkit::{Error, Ran};

use crate::shop::{Shop, assert_refused};

/// The secret that a command made: all of its standard output.
fn made(ran: &Ran) -> String {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let secret = ran.stdout.trim_end();
    assert!(secret.len() >= 20 && !secret.contains(char::is_whitespace), "{ran:?}");
    assert!(!ran.stderr.contains(secret), "the secret is printed twice");
    secret.to_owned()
}

fn may_log_in(shop: &Shop, account: &str, secret: &str) -> bool {
    let ran = shop.gateway.login(account, secret, "shop").psql(&["-At", "-c", "SELECT 1"], "").unwrap();
    ran.code == Some(0) && ran.stdout == "1\n"
}

#[test]
fn an_account_lives_from_its_making_to_its_end() -> Result<(), Error> {
    let shop = Shop::open()?;
    let first = made(&shop.run(&["account", "create", "nightly", "--role", "agent", "--role", "reporting"]));
    assert!(may_log_in(&shop, "nightly", &first));
    let second = made(&shop.run(&["account", "rotate", "nightly"]));
    assert!(!may_log_in(&shop, "nightly", &first), "the old secret still opens");
    assert!(may_log_in(&shop, "nightly", &second));
    assert_eq!(shop.run(&["account", "disable", "nightly"]).code, Some(0));
    assert!(!may_log_in(&shop, "nightly", &second), "a disabled account may log in");
    assert_eq!(shop.run(&["account", "enable", "nightly"]).code, Some(0));
    assert!(may_log_in(&shop, "nightly", &second));
    let listed = shop.run(&["account", "list", "--json"]);
    let all: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    let nightly = all.as_array().unwrap().iter().find(|a| a["name"] == "nightly").unwrap();
    assert_eq!(
        (&nightly["roles"][1], &nightly["enabled"], &nightly["source"]),
        (&"reporting".into(), &true.into(), &"kept".into())
    );
    assert!(!listed.stdout.contains(&second) && !listed.stdout.contains("SCRAM"), "{listed:?}");
    let kept = fs::metadata(shop.gateway.data().join("accounts.toml")).unwrap();
    assert_eq!(kept.permissions().mode() & 0o777, 0o600);
    let log = shop.run(&["log", "search"]).stdout;
    for words in [
        "making account nightly with roles agent, reporting",
        "giving account nightly another secret",
        "letting account nightly log in no more",
    ] {
        assert!(log.contains(words), "{words:?} is missing in {log}");
    }
    Ok(())
}

#[test]
fn accounts_can_be_made_before_the_gateway_ever_ran_with_it_and_the_log_knows() -> Result<(), Error> {
    let mut shop = Shop::open()?;
    shop.gateway.stop()?;
    let secret = made(&shop.run(&["account", "create", "early", "--role", "agent"]));
    let other = made(&shop.run(&["account", "rotate", "early"]));
    assert_refused(&shop.run(&["account", "create", "early", "--role", "agent"]), 1, &["early", "rotate"]);
    assert!(shop.run(&["account", "list"]).stdout.contains("early"));
    shop.gateway.resume()?;
    assert!(may_log_in(&shop, "early", &other) && !may_log_in(&shop, "early", &secret));
    let log = shop.run(&["log", "search"]).stdout;
    assert!(log.contains("making account early") && log.contains("that was refused"), "{log}");
    Ok(())
}

#[test]
fn a_given_secret_comes_from_a_file_or_standard_input_and_is_not_shown() -> Result<(), Error> {
    let shop = Shop::open()?;
    let file = shop.gateway.folder().join("given");
    fs::write(&file, "given-secret\n").unwrap();
    let created = shop.run(&["account", "create", "given", "--role", "agent", "--secret-file", file.to_str().unwrap()]);
    assert_eq!((created.code, created.stdout.contains("given-secret")), (Some(0), false));
    assert!(may_log_in(&shop, "given", "given-secret"));
    let rotated = shop.gateway.command(&["account", "rotate", "given", "--secret-file", "-"], "typed-secret\n")?;
    assert_eq!(rotated.code, Some(0), "{rotated:?}");
    assert!(may_log_in(&shop, "given", "typed-secret"));
    Ok(())
}

#[test]
fn what_can_not_be_is_refused_with_what_to_do() -> Result<(), Error> {
    let shop = Shop::open()?;
    assert_refused(&shop.run(&["account", "create", "agent", "--role", "x"]), 1, &["agent"]);
    assert_refused(&shop.run(&["account", "rotate", "agent"]), 1, &["configuration file", "querygate reload"]);
    assert_refused(&shop.run(&["account", "disable", "stranger"]), 1, &["stranger"]);
    assert_refused(&shop.run(&["account", "create", "no role"]), 2, &["--role"]);
    assert_refused(&shop.run(&["account", "create", "a b", "--role", "x"]), 2, &["a b"]);
    let short = shop.gateway.command(&["account", "create", "short", "--role", "x", "--secret-file", "-"], "abc")?;
    assert_refused(&short, 2, &["shorter than"]);
    let absent = shop.run(&["account", "create", "absent", "--role", "x", "--secret-file", "/nowhere"]);
    assert_refused(&absent, 2, &["/nowhere"]);
    Ok(())
}
