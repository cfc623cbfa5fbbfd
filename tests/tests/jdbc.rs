//! pgjdbc through the gateway, in the ways in which programs set it. The promises are those of `tests/clients/JdbcClient.java`.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::process::Command;

use querygate_testkit::Error;

mod shop;

use shop::Shop;

#[test]
fn pgjdbc_keeps_its_promises_however_it_is_set() -> Result<(), Error> {
    let shop = Shop::shared()?;
    let archive = shop::program("QUERYGATE_PGJDBC");
    let classes = shop.gateway.folder().join("classes");
    let source = shop::folder().join("JdbcClient.java");
    let compiled = Command::new("javac").args(["-cp", &archive, "-d"]).arg(&classes).arg(source).output().unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let path = format!("{archive}:{}", classes.display());
    let urls = [shop.agent().jdbc_url(), shop.direct().jdbc_url()];
    shop::assert_kept(Command::new("java").args(["-cp", &path, "JdbcClient"]).args(urls));
    Ok(())
}
