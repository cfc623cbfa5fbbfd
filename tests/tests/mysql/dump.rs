//! The servers' own dumps through the gateway.

use querygate_testkit::mysql::{Flavor, Login};

use crate::shop::{BOTH, Shop};

/// A dump without its remarks, which name hosts and times. Tables are read in one transaction: to lock them needs a reviewer.
fn dumped(login: &Login, options: &[&str]) -> String {
    let own: &[&str] = match login.flavor {
        Flavor::Mysql => &["--column-statistics=0", "--set-gtid-purged=OFF", "--no-tablespaces"],
        Flavor::Mariadb => &[],
    };
    let options = [&["--single-transaction", "--skip-lock-tables"], own, options].concat();
    let ran = login.dump(&options).unwrap();
    assert_eq!(ran.code, Some(0), "{options:?} on {:?}: {}", login.flavor, ran.stderr);
    let kept = ran.stdout.lines().filter(|line| !line.starts_with("-- ") && !line.starts_with("/*M!999999"));
    kept.map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_dump_is_the_same_as_past_the_gateway_schema_and_data() {
    for flavor in BOTH {
        // Of its own: others change theirs meanwhile.
        let shop = Shop::open(flavor);
        for options in [&["--no-data"][..], &[], &["--no-create-info", "--complete-insert", "--skip-extended-insert"]] {
            let direct = dumped(&shop.direct(), options);
            assert!(direct.contains("customers"), "{direct}");
            let through = dumped(&shop.dba(), options);
            assert_eq!(through, direct, "{options:?} on {flavor:?}: {}", shop.log());
        }
    }
}

#[test]
fn a_dump_holds_masks_where_values_are_masked() {
    for flavor in BOTH {
        let shop = Shop::open(flavor);
        let options =
            ["--no-create-info", "--skip-triggers", "--order-by-primary", "--skip-tz-utc", "--complete-insert"];
        let ran = shop
            .agent()
            .dump(&[&["--single-transaction", "--skip-lock-tables", "--force"], &options[..]].concat())
            .unwrap();
        let all = format!("{}{}", ran.stdout, ran.stderr);
        assert!(!all.contains("078-05-1120") && !all.contains("ada@example.com"), "{flavor:?}: {all}");
    }
}
