//! Drivers of other languages. Their promises are the functions of `tests/clients/mysql_clients.py`.

use std::{env, path::Path, process::Command};

use crate::shop::{BOTH, SECRET, shop};

#[test]
fn pythons_drivers_keep_their_promises_on_both_servers() {
    for flavor in BOTH {
        let shop = shop(flavor);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/mysql_clients.py");
        let mut command = Command::new(env::var_os("QUERYGATE_PYTHON").unwrap());
        command.arg(script).env("PYTHONDONTWRITEBYTECODE", "1");
        command.env("QG_PORT", shop.agent().port.to_string()).env("QG_SECRET", SECRET);
        let ran = command.output().unwrap();
        let (said, failed) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert!(ran.status.success(), "{flavor:?}: {said}{failed}\n{}", shop.gateway.log());
        assert_eq!(said.matches("kept:").count(), 4, "{said}");
    }
}
