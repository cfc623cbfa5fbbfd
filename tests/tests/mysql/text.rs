//! Texts through the command lines.

use querygate_testkit::mysql::Flavor;

use crate::shop::{BOTH, SECRET, Shop, shop};

/// The errors alone: MariaDB's command line repeats the statement before each.
fn errors(stderr: &str) -> String {
    stderr.lines().filter(|line| line.starts_with("ERROR")).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_client_reads_through_the_gateway_and_masked_columns_come_masked() {
    for flavor in BOTH {
        let shown = shop(flavor).shown("SELECT * FROM customers ORDER BY id; SELECT 1 + 1 AS two;");
        let rows: Vec<Vec<&str>> = shown.lines().map(|line| line.split('\t').collect()).collect();
        assert_eq!(
            rows[1],
            [
                "1",
                "Ada",
                "a***@e***.com",
                "*******1120",
                "1985-01-01",
                "0.00",
                "0",
                "1970-01-01 00:00:00",
                "new",
                "",
                "gold"
            ],
            "{flavor:?}"
        );
        assert_eq!(rows[2][..5], ["2", "Bob", "NULL", "*******9999", "1990-01-01"]);
        assert_eq!(rows[4], ["2"]);
    }
}

#[test]
fn attacks_on_masked_columns_are_refused_with_the_number_of_their_kind_and_leave_the_session_open() {
    for flavor in BOTH {
        let shop = shop(flavor);
        for attack in [
            "SELECT id FROM customers WHERE ssn LIKE '0%'",
            "SELECT id FROM customers ORDER BY ssn",
            "SELECT MIN(ssn) FROM customers",
            "SELECT 'a' UNION SELECT ssn FROM customers",
            "SELECT id /*!, ssn */ FROM customers",
            "SELECT id /*M!, ssn */ FROM customers",
            "SET sql_mode = 'ANSI_QUOTES'",
            "PREPARE p FROM 'SELECT MAX(ssn) FROM customers'",
            "PREPARE p FROM 'SELECT id FROM customers WHERE ssn = ?'",
            "PREPARE p FROM 'SELECT 1; SELECT ssn FROM customers'",
            "PREPARE p FROM 'SET sql_mode = \\'ANSI_QUOTES\\''",
            "SET @text = 'SELECT ssn FROM customers'; PREPARE p FROM @text",
            "EXECUTE nothing",
            "SET @a = (SELECT ssn FROM customers LIMIT 1)",
            "SELECT EXTRACTVALUE(1, CONCAT(0x7e, (SELECT ssn FROM customers LIMIT 1)))",
            "INSERT INTO pad SELECT id + 10, ssn FROM customers",
            "EXPLAIN SELECT id FROM customers WHERE ssn = '078-05-1120'",
            "CHECKSUM TABLE customers",
            "SELECT * FROM mysql.user",
            "USE mysql",
            "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE pad",
            "SELECT LOAD_FILE('/etc/passwd')",
            "SELECT 1 INTO OUTFILE '/tmp/querygate-outfile'",
        ] {
            let said =
                shop.agent().with(&["--batch", "--force"], &format!("{attack};\nSELECT 'still here';\n")).unwrap();
            let known = ["ERROR 1235", "ERROR 1227", "ERROR 1049", "ERROR 1243"]
                .iter()
                .any(|number| said.stderr.contains(number));
            assert!(known, "{flavor:?} {attack}: {}{}", said.stdout, said.stderr);
            assert!(said.stdout.contains("still here"), "{flavor:?} {attack}: {}", said.stderr);
            assert!(!said.stdout.contains("078-05") && !errors(&said.stderr).contains("078-05"), "{attack}");
        }
        assert!(shop.refused("SELECT nothing FROM pad").contains("ERROR 1054"));
        assert!(shop.refused("SELECT * FROM nowhere").contains("ERROR 1146"));
    }
}

#[test]
fn a_view_shows_what_its_tables_show() {
    for flavor in BOTH {
        assert_eq!(shop(flavor).shown("SELECT mail FROM contacts WHERE id = 1"), "mail\na***@e***.com\n");
    }
}

#[test]
fn who_sees_in_clear_sees_what_the_server_says() {
    for flavor in BOTH {
        let shop = shop(flavor);
        let script = "SELECT * FROM customers ORDER BY ssn; SELECT COUNT(*), MAX(ssn) FROM customers; SHOW TABLES; DESCRIBE orders; \
            SELECT c.full_name, SUM(o.total) FROM customers c LEFT JOIN orders o ON o.customer_id = c.id GROUP BY c.id; SHOW CREATE TABLE pad;";
        let (through, direct) =
            (shop.dba().run(script).unwrap(), shop.server.admin(&shop.database).run(script).unwrap());
        assert_eq!(
            through.ok().unwrap().stdout.replace("Tables_in_shop\n", ""),
            direct.ok().unwrap().stdout.replace("Tables_in_shop\n", "")
        );
    }
}

#[test]
fn changes_and_transactions_are_the_servers_own() {
    for flavor in BOTH {
        let shop = shop(flavor);
        let script = "BEGIN; INSERT INTO pad VALUES (50, 'x'); UPDATE pad SET txt = 'y' WHERE id = 50; SELECT txt FROM pad WHERE id = 50; ROLLBACK; \
            SELECT COUNT(*) AS n FROM pad WHERE id = 50;";
        assert_eq!(shop.shown(script), "txt\ny\nn\n0\n");
        let said = shop.refused("INSERT INTO pad VALUES (1, 'again')");
        assert!(said.contains("ERROR 1062"), "{said}");
    }
}

#[test]
fn an_error_of_a_statement_that_touches_masked_columns_keeps_its_values_to_itself() {
    for flavor in BOTH {
        let shop = shop(flavor);
        let said = shop.refused("INSERT INTO customers (id, full_name) VALUES (1, 'again')");
        let said = errors(&said);
        assert!(said.contains("ERROR 1062") && !said.contains("again") && !said.contains("PRIMARY"), "{said}");
    }
}

#[test]
fn a_statement_that_needs_approval_waits_in_silence_and_runs_once() {
    for flavor in BOTH {
        let shop = Shop::open(flavor);
        let waiting = std::thread::spawn({
            let agent = shop.agent();
            move || agent.run("UPDATE pad SET txt = CONCAT(txt, '!'); SELECT ROW_COUNT() AS n;").unwrap()
        });
        let id = shop.asked();
        assert_eq!(shop.decide("approve", &id).code, Some(0));
        let ran = waiting.join().unwrap().ok().unwrap();
        assert_eq!(ran.stdout, "n\n2\n");
        let denied = std::thread::spawn({
            let agent = shop.agent();
            move || agent.run("DELETE FROM pad").unwrap()
        });
        let id = shop.asked();
        assert_eq!(shop.decide("deny", &id).code, Some(0));
        let said = denied.join().unwrap().stderr;
        assert!(said.contains("ERROR 1227") && said.contains("so be it"), "{said}");
        assert_eq!(shop.shown("SELECT txt FROM pad ORDER BY id"), "txt\none!\ntwo!\n");
    }
}

#[test]
fn a_change_is_bounded_by_the_columns_that_the_policy_names() {
    for flavor in BOTH {
        let shop = shop(flavor);
        let script = "BEGIN; UPDATE seats SET note = 'x' WHERE `row` IN ('A', 'C'); SELECT ROW_COUNT() AS n; ROLLBACK;";
        assert_eq!(shop.shown(script), "n\n2\n");
        // Inside a transaction nothing waits.
        for unbounded in ["DELETE FROM seats WHERE id = 1", "UPDATE seats SET note = '' WHERE `row` = 'A' OR id = 1"] {
            let said = shop.refused(&format!("BEGIN; {unbounded}; COMMIT;"));
            assert!(said.contains("is not bounded by row on seats"), "{said}");
        }
        assert_eq!(shop.shown("SELECT COUNT(*) AS n, MAX(note) AS note FROM seats"), "n\tnote\n3\t\n");
    }
}

#[test]
fn every_statement_is_in_the_log_with_its_begin_and_its_end_and_no_value_of_a_masked_column() {
    for flavor in BOTH {
        let shop = Shop::open(flavor);
        shop.shown("SELECT ssn FROM customers WHERE id = 1");
        shop.refused("SELECT id FROM customers WHERE ssn = '078-05-1120'");
        let log = shop.log();
        assert!(log.contains("SELECT ssn FROM customers WHERE id = 1"), "{log}");
        assert!(log.contains("customers.ssn={ keep_last = 4 }"), "{log}");
        assert!(log.contains("\"engine\":\"") && log.contains(flavor.name()), "{log}");
        assert!(log.contains("<hash:") && !log.contains("078-05-1120"), "{log}");
    }
}

#[test]
fn nobody_logs_in_without_the_secret_and_an_unknown_database_looks_like_a_closed_one() {
    for flavor in BOTH {
        let shop = shop(flavor);
        let stranger = shop.gateway.mysql_login(flavor, "agent", "a wrong secret", "shop").run("SELECT 1").unwrap();
        assert!(stranger.stderr.contains("ERROR 1045"), "{}", stranger.stderr);
        let nobody = shop.gateway.mysql_login(flavor, "nobody", SECRET, "shop").run("SELECT 1").unwrap();
        assert!(nobody.stderr.contains("ERROR 1045"), "{}", nobody.stderr);
        let elsewhere = shop.gateway.mysql_login(flavor, "agent", SECRET, "mysql").run("SELECT 1").unwrap();
        assert!(elsewhere.stderr.contains("ERROR 1049"), "{}", elsewhere.stderr);
        // The second time the digest that the first one proved is enough.
        for _ in 0..2 {
            assert_eq!(shop.shown("SELECT 1 AS one"), "one\n1\n");
        }
    }
}

#[test]
fn what_is_defined_is_known_at_once() {
    for flavor in BOTH {
        let shop = Shop::open(flavor);
        let waiting = std::thread::spawn({
            let agent = shop.agent();
            move || {
                agent
                    .run("CREATE TABLE made (a INT); INSERT INTO made VALUES (1); SELECT a FROM made; USE shop;")
                    .unwrap()
            }
        });
        let id = shop.asked();
        shop.decide("approve", &id).ok().unwrap();
        let ran = waiting.join().unwrap();
        assert_eq!(ran.stdout, "a\n1\n", "{}", ran.stderr);
    }
}

#[test]
fn what_mariadb_returns_of_a_change_comes_masked() {
    let shop = Shop::open(Flavor::Mariadb);
    let row = "(51, 'Eve', 'eve@example.com', '111-22-3333', '1999-05-06', 10, 5, NULL, 'old', NULL, 'gold')";
    shop.server.script(&shop.database, &format!("INSERT INTO customers VALUES {row};")).unwrap();
    let shown = shop.shown("DELETE FROM customers WHERE id = 51 RETURNING id, email, ssn, birth_date, points");
    assert_eq!(shown.lines().last().unwrap(), "51\te***@e***.com\t*******3333\t1999-01-01\t0");
    shop.server.script(&shop.database, &format!("INSERT INTO customers VALUES {row};")).unwrap();
    let all = shop.shown("DELETE FROM customers WHERE id = 51 RETURNING *");
    assert!(!all.contains("eve@") && !all.contains("111-22") && all.contains("*******3333"), "{all}");
    assert!(shop.refused("DELETE FROM customers WHERE id = 1 RETURNING CONCAT(ssn)").contains("1235"));
    let inserted = shop.shown("INSERT INTO pad VALUES (90, 'new') RETURNING id, txt");
    assert_eq!(inserted.lines().last().unwrap(), "90\tnew");
}

#[test]
fn warnings_of_what_touched_masked_columns_are_not_shown() {
    for flavor in BOTH {
        let shop = shop(flavor);
        // A text that is taken for a number warns of its value.
        let telling = "SELECT id FROM customers WHERE full_name + 0 = 0 ORDER BY id";
        for between in ["", "SELECT 1;", "SET @a = 1;", "DO 0;", "SHOW WARNINGS;"] {
            let shown = shop.shown(&format!("{telling}; {between} SHOW WARNINGS; SHOW COUNT(*) WARNINGS;"));
            assert!(!shown.contains("Truncated") && !shown.contains("Ada"), "{flavor:?} {between}: {shown}");
        }
        let clear = "SELECT 'a' + 0 FROM pad WHERE id = 1; SHOW WARNINGS; SHOW COUNT(*) WARNINGS;";
        let shown = shop.shown(&format!("{telling}; {clear}"));
        assert!(shown.contains("Truncated incorrect"), "{flavor:?}: {shown}");
        assert_eq!(shown.lines().last(), Some("1"), "{flavor:?}: {shown}");
        let direct = shop.direct().run(&format!("{telling}; SHOW WARNINGS;")).unwrap();
        assert!(direct.stdout.contains("Truncated"), "{flavor:?}: {direct:?}");
        let dba = shop.dba().run(&format!("{telling}; SHOW WARNINGS;")).unwrap();
        assert_eq!(dba.stdout, direct.stdout, "{flavor:?}");
    }
}

#[test]
fn a_statement_prepared_by_a_text_is_masked_as_one_that_is_run() {
    for flavor in BOTH {
        let shop = shop(flavor);
        let script = "PREPARE P1 FROM 'SELECT id, ssn, ''it''''s'' AS s FROM customers WHERE id = ?'; SET @a = 1, @b = 2; EXECUTE p1 USING @a; \
            EXECUTE `p1` USING @b; PREPARE p1 FROM 'SELECT email, ? AS x FROM contacts_of WHERE id = 1'; EXECUTE p1 USING @b; DROP PREPARE p1;"
            .replace("contacts_of", "customers");
        let seen = shop.shown(&script);
        assert_eq!(
            seen,
            "id\tssn\ts\n1\t*******1120\tit's\nid\tssn\ts\n2\t*******9999\tit's\nemail\tx\na***@e***.com\t2\n"
        );
        let twin = shop.to_twin().run(&script).unwrap();
        assert_eq!(twin.stdout, seen, "{twin:?}");
        let changes = "BEGIN; PREPARE w FROM 'INSERT INTO pad VALUES (?, ?)'; SET @i = 95, @t = 'set'; EXECUTE w USING @i, @t; \
            SELECT txt FROM pad WHERE id = 95; ROLLBACK; DEALLOCATE PREPARE w; EXECUTE w USING @i, @t;";
        let ran = shop.agent().run(changes).unwrap();
        assert_eq!(ran.stdout, "txt\nset\n", "{ran:?}");
        assert!(ran.stderr.contains("ERROR 1243"), "{ran:?}");
    }
    let seen = shop(Flavor::Mariadb).shown("EXECUTE IMMEDIATE 'SELECT ssn FROM customers WHERE id = 1'");
    assert_eq!(seen, "ssn\n*******1120\n");
}

#[test]
fn a_mode_that_a_variable_brings_ends_the_session_before_it_reads_a_text() {
    for flavor in BOTH {
        let shop = shop(flavor);
        let kept = "SET @old = @@sql_mode, sql_mode = 'NO_AUTO_VALUE_ON_ZERO'; SET sql_mode = @old; SELECT id, \"ssn\" AS s FROM pad WHERE id = 1";
        assert_eq!(shop.shown(kept), "id\ts\n1\tssn\n");
        for set in ["SET sql_mode = @bad", "SET SESSION sql_mode = @bad, @a = 1"] {
            let ran = shop
                .agent()
                .run(&format!("SET @bad = 'ANSI_QUOTES'; {set}; SELECT id, \"ssn\" FROM customers"))
                .unwrap();
            assert!(ran.code != Some(0) && !ran.stdout.contains("1120"), "{flavor:?} {set}: {ran:?}");
        }
    }
}
