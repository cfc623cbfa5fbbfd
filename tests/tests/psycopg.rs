//! psycopg 3 through the gateway. The promises are the functions of `tests/clients/psycopg_client.py`.

use std::process::Command;

use querygate_testkit::{Error, postgres};

mod shop;

use shop::Shop;

#[test]
fn psycopg_keeps_its_promises_on_every_server() -> Result<(), Error> {
    for version in postgres::versions() {
        let shop = Shop::of_version(Some(version))?;
        let mut command = Command::new(shop::program("QUERYGATE_PYTHON"));
        command.arg(shop::folder().join("psycopg_client.py")).env("PYTHONDONTWRITEBYTECODE", "1");
        for (name, target) in [("QG_AGENT", shop.agent()), ("QG_DBA", shop.dba()), ("QG_DIRECT", shop.direct())] {
            command.env(name, shop::connection_string(&target));
        }
        shop::assert_kept(&mut command);
    }
    Ok(())
}
