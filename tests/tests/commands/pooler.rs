//! A pooler between the gateway and its server, which takes the sessions from under the gateway.

use std::fs;

use querygate_testkit::{Error, pooler::Pooler};

use crate::shop::Shop;

/// What `check` says of the server behind a pooler with these settings.
fn checked_behind(lines: &str) -> Result<(Option<i32>, String), Error> {
    let shop = Shop::open()?;
    let config = shop.gateway.folder().join("querygate.toml");
    let text = fs::read_to_string(&config).unwrap();
    let pooler = Pooler::before(&shop.server, lines)?;
    let direct = format!("127.0.0.1:{}", shop.server.port());
    fs::write(&config, text.replace(&direct, &format!("127.0.0.1:{}", pooler.port()))).unwrap();
    let ran = shop.run(&["check"]);
    Ok((ran.code, ran.stdout + &ran.stderr))
}

#[test]
fn check_finds_a_pooler_that_hands_sessions_around() -> Result<(), Error> {
    let (code, said) = checked_behind("pool_mode = transaction\nignore_startup_parameters = search_path")?;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("a pooler in transaction mode") && said.contains("pool_mode = session"), "{said}");
    Ok(())
}

#[test]
fn check_takes_a_pooler_that_keeps_sessions_whole() -> Result<(), Error> {
    let (code, said) = checked_behind("pool_mode = session\nignore_startup_parameters = search_path")?;
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("pooler"), "{said}");
    Ok(())
}

#[test]
fn check_says_what_a_pooler_s_refusal_means() -> Result<(), Error> {
    let (code, said) = checked_behind("pool_mode = session")?;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("a pooler answers there"), "{said}");
    Ok(())
}
