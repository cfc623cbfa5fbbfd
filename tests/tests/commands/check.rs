use std::fs;

use querygate_testkit::Error;

use crate::shop::{POLICY, Shop, assert_refused};

#[test]
fn a_sound_setup_passes_and_what_deserves_a_look_is_named() -> Result<(), Error> {
    let shop = Shop::open()?;
    let report = shop.json(&["check", "--json"]);
    assert_eq!(report["problems"], 0, "{report}");
    let findings = report["findings"].as_array().unwrap();
    assert_eq!(report["warnings"].as_u64(), Some(findings.len() as u64));
    let of = |part: &str| findings.iter().find(|f| f["message"].as_str().unwrap().contains(part));
    let login = of("superuser").unwrap_or_else(|| panic!("the superuser's login is not named: {report}"));
    assert_eq!((login["severity"].as_str(), login["database"].as_str()), (Some("warning"), Some("shop")));
    assert!(login["remedy"].as_str().unwrap().contains("CREATE ROLE"), "{login}");
    assert!(of("public.order_items, public.orders, public.products").is_some(), "{report}");
    let shown = shop.run(&["check"]);
    assert_eq!(shown.code, Some(0));
    assert!(shown.stdout.contains("0 problems"), "{shown:?}");
    Ok(())
}

#[test]
fn a_login_that_owns_masked_tables_or_sees_through_row_security_is_named() -> Result<(), Error> {
    let shop = Shop::open()?;
    shop.server.script(
        "postgres",
        "CREATE ROLE svc LOGIN PASSWORD 'svcpw' BYPASSRLS; CREATE ROLE owner; GRANT owner TO svc;",
    )?;
    let name = database_of(&shop);
    shop.server.script(&name, "ALTER TABLE customers OWNER TO owner;")?;
    let file = shop.gateway.folder().join("querygate.toml");
    let text = fs::read_to_string(&file).unwrap().replace("user = \"admin\"", "user = \"svc\"");
    let text = text.replace("password = { env = \"TEST_PASSWORD_0\" }", "password = { file = \"svc.password\" }");
    fs::write(shop.gateway.folder().join("svc.password"), "svcpw").unwrap();
    fs::write(file, text).unwrap();
    let shown = shop.run(&["check"]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    for words in [
        "owns masked tables: public.customers",
        "ALTER TABLE public.customers OWNER TO",
        "NOBYPASSRLS",
        "can be read by others",
    ] {
        assert!(shown.stdout.contains(words), "{words:?} is missing in {}", shown.stdout);
    }
    Ok(())
}

fn database_of(shop: &Shop) -> String {
    let text = fs::read_to_string(shop.gateway.folder().join("querygate.toml")).unwrap();
    let line = text.lines().find(|line| line.starts_with("database = ")).unwrap();
    line.split('"').nth(1).unwrap().to_owned()
}

#[test]
fn a_name_that_the_database_does_not_have_is_a_problem_with_its_place() -> Result<(), Error> {
    let shop = Shop::open()?;
    fs::write(shop.gateway.policy("shop"), POLICY.replace("mask.ssn ", "mask.sn ")).unwrap();
    let line = 1 + POLICY.lines().position(|line| line.starts_with("mask.ssn ")).unwrap();
    let shown = shop.run(&["check"]);
    assert_eq!(shown.code, Some(1), "{shown:?}");
    assert!(shown.stdout.contains(&format!("shop.toml:{line}:")), "{shown:?}");
    assert!(shown.stdout.contains("did you mean \"ssn\"?"), "{shown:?}");
    fs::write(
        shop.gateway.policy("shop"),
        POLICY.replace("mask.birth_date  = \"year\"", "mask.birth_date = \"email\""),
    )
    .unwrap();
    let unsuitable = shop.run(&["check"]);
    assert_eq!(unsuitable.code, Some(1), "{unsuitable:?}");
    assert!(unsuitable.stdout.contains("birth_date"), "{unsuitable:?}");
    Ok(())
}

#[test]
fn what_can_not_be_loaded_is_named_with_line_column_and_remedy() -> Result<(), Error> {
    let shop = Shop::open()?;
    fs::write(shop.gateway.policy("shop"), POLICY.replace("action = \"block\"", "acton = \"block\"")).unwrap();
    let line = 1 + POLICY.lines().position(|line| line.starts_with("action = \"block\"")).unwrap();
    for command in [&["check"][..], &["policy", "test"], &["reload"]] {
        assert_refused(&shop.run(command), 2, &["shop.toml", &format!(":{line}:1"), "acton", "action"]);
    }
    let config = shop.gateway.folder().join("querygate.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("[listen]", "[listn]")).unwrap();
    let line = 1 + text.lines().position(|line| line == "[listen]").unwrap();
    assert_refused(&shop.run(&["check"]), 2, &["querygate.toml", &format!(":{line}:"), "listn", "did you mean"]);
    fs::remove_file(&config).unwrap();
    assert_refused(&shop.run(&["check"]), 2, &["querygate.toml", "can't be read"]);
    Ok(())
}

#[test]
fn what_a_policy_says_and_may_not_mean_is_named() -> Result<(), Error> {
    let shop = Shop::open()?;
    let policy = POLICY.replace("reviewers = [\"reviewer\"]  ", "# ").replace("[\"id\", \"full_name\",", "[\"id\",");
    fs::write(shop.gateway.policy("shop"), policy.replace("mask.email ", "mask.full_name = \"null\"\nmask.email "))
        .unwrap();
    let shown = shop.run(&["check"]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    for words in ["without `reviewers`", "full_name", "NOT NULL"] {
        assert!(shown.stdout.contains(words), "{words:?} is missing in {}", shown.stdout);
    }
    Ok(())
}

#[test]
fn a_server_that_is_away_is_a_problem() -> Result<(), Error> {
    let mut shop = Shop::open()?;
    shop.server.stop()?;
    let shown = shop.run(&["check"]);
    assert_eq!(shown.code, Some(1), "{shown:?}");
    assert!(shown.stdout.contains("can't be reached") && shown.stdout.contains("check `address`"), "{shown:?}");
    Ok(())
}

#[test]
fn an_account_that_may_open_nothing_is_named() -> Result<(), Error> {
    let shop = Shop::open()?;
    assert_eq!(shop.run(&["account", "create", "lost", "--role", "nobody"]).code, Some(0));
    let report = shop.json(&["check", "--json"]);
    assert!(report.to_string().contains("account lost (nobody) may open no database"), "{report}");
    Ok(())
}

#[test]
fn policy_tests_pass_or_say_what_came_out_otherwise() -> Result<(), Error> {
    let shop = Shop::open()?;
    let report = shop.json(&["policy", "test", "--json"]);
    assert_eq!(
        (report["failed"].as_u64(), report["passed"].as_u64()),
        (Some(0), Some(report["cases"].as_array().unwrap().len() as u64))
    );
    let file = shop.gateway.folder().join("policies/shop.test.toml");
    let wrong = "[[case]]\nas = \"role:agent\"\nsql = \"DROP TABLE products\"\nexpect = \"allow\"\n";
    fs::write(&file, wrong).unwrap();
    let failed = shop.run(&["policy", "test"]);
    assert_refused(&failed, 1, &["1 of 1 test failed"]);
    assert!(
        failed.stdout.contains("shop.test.toml:1") && failed.stdout.contains("expected allow, got approve"),
        "{failed:?}"
    );
    let other = shop.gateway.folder().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("shop.toml"), POLICY).unwrap();
    fs::write(other.join("shop.test.toml"), wrong.replace("allow", "approve")).unwrap();
    let of_other = shop.run(&["policy", "test", other.to_str().unwrap()]);
    assert_eq!((of_other.code, of_other.stdout.contains("1 test passed")), (Some(0), true), "{of_other:?}");
    fs::remove_file(file).unwrap();
    assert_refused(&shop.run(&["policy", "test"]), 2, &["holds no tests", "NAME.test.toml"]);
    Ok(())
}
