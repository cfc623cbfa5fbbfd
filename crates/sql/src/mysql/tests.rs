mod changes;
mod forms;

use querygate_record::{Effect, Engine, TransactionChange};

use crate::{
    Limits, analyse,
    catalog::Catalog,
    session::Settings,
    statement::{Origin, RefusalKind, Statement},
};

fn row(fields: &[&str]) -> Vec<Option<String>> {
    fields.iter().map(|f| (*f != "-").then(|| (*f).to_owned())).collect()
}

fn column(table: &str, name: &str, place: &str, kind: &str) -> Vec<Option<String>> {
    let base = if table.ends_with("contacts") { "VIEW" } else { "BASE TABLE" };
    let full = if kind == "enum" { "enum('new','it''s')" } else { kind };
    row(&[table, base, name, place, kind, full, "YES", "40", "12", "2", "0", "-"])
}

fn catalog() -> Catalog {
    catalog_of(Engine::Mysql)
}

fn catalog_of(engine: Engine) -> Catalog {
    let columns = vec![
        column("contacts", "id", "1", "int"),
        column("contacts", "mail", "2", "varchar"),
        column("customers", "id", "1", "int"),
        column("customers", "email", "2", "varchar"),
        column("customers", "ssn", "3", "varchar"),
        column("customers", "segment", "4", "enum"),
        column("orders", "id", "1", "int"),
        column("orders", "customer_id", "2", "int"),
        column("orders", "total", "3", "decimal"),
        column("pad", "id", "1", "int"),
        column("pad", "txt", "2", "text"),
        column("pad", "code", "3", "varchar"),
    ];
    let answers = vec![
        vec![row(&["9.7.4", "0", "shop"])],
        columns,
        vec![row(&[
            "contacts",
            "select `shop`.`customers`.`id` AS `id`,`shop`.`customers`.`email` AS `mail` from `shop`.`customers`",
        ])],
        vec![
            row(&["customers", "PRIMARY", "id", "0", "-"]),
            row(&["customers", "ssn", "ssn", "0", "-"]),
            row(&["orders", "PRIMARY", "id", "0", "-"]),
            row(&["pad", "PRIMARY", "id", "0", "-"]),
            row(&["pad", "code", "code", "0", "-"]),
        ],
        vec![row(&["orders", "fk", "customer_id", "customers", "id", "CASCADE", "RESTRICT"])],
        vec![],
        vec![],
        vec![row(&["cust_ssn", "FUNCTION"])],
    ];
    Catalog::from_mysql(engine, &answers).unwrap()
}

fn all(text: &str) -> Vec<Statement> {
    let settings = Settings { search_path: Vec::new(), user: String::new(), temporary: Vec::new() };
    analyse(text, &catalog(), &settings, &Limits::default())
}

fn one(text: &str) -> Statement {
    let mut all = all(text);
    assert_eq!(all.len(), 1, "{text}");
    let statement = all.remove(0);
    assert!(statement.unanalysed.is_none(), "{text}: {:?}", statement.unanalysed);
    statement
}

fn outputs(text: &str) -> Vec<String> {
    let catalog = catalog();
    let outputs = one(text).outputs.unwrap();
    let shown = |origin: &Origin| match origin {
        Origin::Column { column, nullable_side } => {
            format!("{}{}", catalog.name_of(*column).unwrap(), if *nullable_side { "?" } else { "" })
        }
        Origin::Computed => "computed".to_owned(),
    };
    outputs.iter().map(|o| shown(&o.origin)).collect()
}

fn uses(text: &str) -> Vec<String> {
    let catalog = catalog();
    let mut uses: Vec<String> = one(text).uses.iter().map(|u| catalog.name_of(u.column).unwrap()).collect();
    uses.sort();
    uses.dedup();
    uses
}

fn effects(text: &str) -> Vec<(Effect, String, bool)> {
    let mut found: Vec<_> =
        one(text).effects.into_iter().map(|e| (e.effect, e.object.to_string(), e.bounded)).collect();
    found.sort();
    found
}

fn refused(text: &str) -> RefusalKind {
    let refusals: Vec<_> = all(text).into_iter().filter_map(|s| s.unanalysed).collect();
    refusals.first().unwrap_or_else(|| panic!("{text} is not refused")).kind
}

#[test]
fn plain_result_columns_stay_columns_through_aliases_stars_joins_derived_tables_ctes_and_views() {
    for (text, expected) in [
        ("SELECT ssn AS x, `id` FROM customers", vec!["customers.ssn", "customers.id"]),
        (
            "select * from shop.customers c",
            vec!["customers.id", "customers.email", "customers.ssn", "customers.segment"],
        ),
        ("SELECT z FROM (SELECT ssn z FROM customers) d", vec!["customers.ssn"]),
        ("WITH w (a) AS (SELECT SSN FROM customers) SELECT w.* FROM w", vec!["customers.ssn"]),
        ("SELECT mail FROM contacts", vec!["customers.email"]),
        (
            "SELECT o.id, c.ssn FROM orders o LEFT JOIN customers c ON c.id = o.customer_id",
            vec!["orders.id", "customers.ssn?"],
        ),
        (
            "SELECT c.ssn, o.id FROM customers c RIGHT JOIN orders o ON c.id = o.customer_id",
            vec!["customers.ssn?", "orders.id"],
        ),
        ("SELECT ssn FROM customers UNION ALL SELECT ssn FROM customers", vec!["customers.ssn"]),
        ("SELECT `ssn`, UPPER(ssn), (ssn) FROM customers", vec!["customers.ssn", "computed", "customers.ssn"]),
        (
            "SELECT * FROM customers JOIN orders USING (id)",
            vec![
                "customers.id",
                "customers.email",
                "customers.ssn",
                "customers.segment",
                "orders.customer_id",
                "orders.total",
            ],
        ),
    ] {
        assert_eq!(outputs(text), expected, "{text}");
    }
}

#[test]
fn every_other_use_of_a_column_is_found() {
    for text in [
        "SELECT id FROM customers WHERE ssn LIKE '1%'",
        "SELECT id FROM customers ORDER BY ssn",
        "SELECT id, ssn s FROM customers ORDER BY 2",
        "SELECT id, ssn s FROM customers ORDER BY s",
        "SELECT MIN(ssn) FROM customers",
        "SELECT 'a' UNION SELECT ssn FROM customers",
        "SELECT DISTINCT ssn FROM customers",
        "SELECT ssn FROM customers GROUP BY ssn",
        "SELECT 1 FROM customers GROUP BY 1 HAVING MAX(ssn) > 'a'",
        "SELECT (SELECT ssn FROM customers LIMIT 1)",
        "SELECT id FROM orders WHERE total IN (SELECT ssn FROM customers)",
        "SELECT id FROM orders o WHERE EXISTS (SELECT 1 FROM customers c WHERE c.ssn = o.total)",
        "SELECT CASE WHEN ssn IS NULL THEN 1 END FROM customers",
        "SELECT COUNT(*) OVER (PARTITION BY ssn) FROM customers",
        "SELECT ROW_NUMBER() OVER w FROM customers WINDOW w AS (ORDER BY ssn)",
        "SELECT GROUP_CONCAT(id ORDER BY ssn) FROM customers",
        "SELECT o.id FROM orders o JOIN customers c ON c.ssn = o.total",
        "SELECT a.id FROM customers a JOIN customers b USING (ssn)",
        "SELECT a.id FROM customers a NATURAL JOIN customers b",
        "SELECT id FROM customers WHERE MATCH (ssn) AGAINST ('x')",
        "SELECT id FROM (SELECT id FROM customers ORDER BY ssn) d",
        "WITH RECURSIVE r AS (SELECT ssn FROM customers UNION ALL SELECT ssn FROM r) SELECT * FROM r",
        "SELECT EXTRACTVALUE(1, CONCAT(0x7e, (SELECT ssn FROM customers WHERE id = 1)))",
        "SELECT CAST(ssn AS UNSIGNED) * 0 FROM customers",
        "SELECT ssn <=> 'x' FROM customers",
        "SELECT ssn DIV 2 FROM customers",
        "SELECT 7 MOD 2, id MOD 2, MOD(id, 2), `ssn` MOD (2) FROM customers WHERE `id` mod 2",
        "SELECT ssn MOD 2 FROM customers",
        "SELECT -ssn FROM customers",
        "SELECT id FROM customers LIMIT 1 FOR UPDATE; SELECT ssn + 1 FROM customers",
        "INSERT INTO pad SELECT id, ssn, 'x' FROM customers",
        "INSERT INTO pad (id) VALUES ((SELECT ssn FROM customers))",
        "INSERT INTO pad (id) VALUES (1) ON DUPLICATE KEY UPDATE txt = (SELECT ssn FROM customers)",
        "UPDATE pad SET txt = (SELECT ssn FROM customers) WHERE id = 1",
        "UPDATE customers SET segment = 'new' WHERE ssn < '5'",
        "UPDATE pad JOIN customers c ON c.ssn = pad.txt SET txt = 'x'",
        "DELETE FROM customers WHERE ssn = 'x'",
        "DELETE FROM pad WHERE id IN (SELECT ssn FROM customers)",
        "EXPLAIN SELECT id FROM customers WHERE id = 1",
        "CHECKSUM TABLE customers EXTENDED",
        "SHOW INDEX FROM customers",
        "ALTER TABLE customers ADD COLUMN x INT",
        "CREATE UNIQUE INDEX i ON customers (ssn)",
    ] {
        let last = all(text).into_iter().last().unwrap();
        assert!(last.unanalysed.is_none(), "{text}: {:?}", last.unanalysed);
        let catalog = catalog();
        let used = last.uses.iter().any(|u| catalog.name_of(u.column).unwrap() == "customers.ssn");
        assert!(used, "{text}");
    }
}

#[test]
fn clear_columns_alone_are_used_in_harmless_statements() {
    assert_eq!(
        uses("SELECT email FROM customers WHERE id = 1 ORDER BY segment"),
        ["customers.id", "customers.segment"]
    );
    assert_eq!(
        uses("SELECT COUNT(*), SUM(total) s FROM orders GROUP BY customer_id ORDER BY s"),
        ["orders.customer_id", "orders.total"]
    );
    assert_eq!(uses("INSERT INTO pad VALUES (1, 'a', DEFAULT), (2, 'b', NULL)"), [""; 0]);
    assert_eq!(uses("SHOW COLUMNS FROM customers"), [""; 0]);
    assert_eq!(uses("DESCRIBE customers"), [""; 0]);
}

#[test]
fn changes_are_bounded_by_whole_keys_alone() {
    let bounded = |text: &str| effects(text).iter().all(|e| e.2);
    for text in [
        "UPDATE pad SET txt = 'x' WHERE id = 1",
        "UPDATE pad SET txt = 'x' WHERE id = ?",
        "UPDATE pad SET txt = 'x' WHERE (id IN (1, 2)) AND txt = 'y'",
        "DELETE FROM pad WHERE code = 'a'",
        "DELETE FROM orders WHERE customer_id = 5",
        "UPDATE pad SET txt = 'x' WHERE pad.id = -1 && txt > 'a'",
    ] {
        assert!(bounded(text), "{text}");
    }
    for text in [
        "UPDATE pad SET txt = 'x'",
        "DELETE FROM pad",
        "DELETE FROM pad WHERE id = id",
        "DELETE FROM pad WHERE id = 1 OR 1",
        "DELETE FROM pad WHERE id >= 0",
        "DELETE FROM pad WHERE id <> 1",
        "DELETE FROM pad WHERE NOT id = 1",
        "DELETE FROM pad WHERE id = 1 AND 1 XOR 1",
        "DELETE FROM pad WHERE id NOT IN (1)",
        "DELETE FROM pad WHERE code = 0",
        "DELETE FROM pad WHERE code = ?",
        "DELETE FROM pad WHERE txt = 'x'",
        "DELETE FROM pad WHERE id = 1 = 0",
        "UPDATE pad a JOIN pad b ON a.id = b.id SET a.txt = 'x' WHERE a.id = 1",
    ] {
        assert!(!bounded(text), "{text}");
    }
}

#[test]
fn what_a_condition_compares_with_constants_is_told() {
    let compared = |text: &str| {
        let found = one(text).effects.into_iter().find_map(|on| on.compared);
        found.map(|c| (c.table.to_string(), c.columns.iter().map(ToString::to_string).collect::<Vec<_>>()))
    };
    let pad = |columns: &[&str]| Some(("pad".to_owned(), columns.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>()));
    assert_eq!(compared("DELETE FROM pad"), pad(&[]));
    assert_eq!(compared("UPDATE pad SET id = 2 WHERE (TXT = 'x') AND id > 1"), pad(&["txt"]));
    assert_eq!(compared("DELETE FROM pad WHERE pad.txt IN ('x', 'y') AND id = ?"), pad(&["txt", "id"]));
    assert_eq!(compared("DELETE FROM pad WHERE txt = 'x' XOR id = 1"), pad(&[]));
    assert_eq!(compared("DELETE FROM pad WHERE txt = 0 OR id = 1"), pad(&[]));
    // A join is not bounded, whatever the policy counts as a bound.
    assert_eq!(compared("UPDATE pad a JOIN pad b ON a.id = b.id SET a.txt = 'x' WHERE a.txt = 'y'"), None);
}

#[test]
fn a_deletion_that_is_passed_on_reaches_as_far_as_its_cause() {
    let effects = one("DELETE FROM customers WHERE email = 'a@b.c'").effects.into_iter();
    let deleted = effects.filter(|on| on.effect == Effect::Delete);
    let compared =
        deleted.map(|on| (on.object.to_string(), on.compared.map(|c| (c.table.to_string(), c.columns.join(",")))));
    let cause = Some(("customers".to_owned(), "email".to_owned()));
    assert_eq!(compared.collect::<Vec<_>>(), [("customers".to_owned(), cause.clone()), ("orders".to_owned(), cause)]);
}

#[test]
fn effects_have_their_objects() {
    use Effect::*;
    let of = |text: &str| effects(text).into_iter().map(|e| (e.0, e.1)).collect::<Vec<_>>();
    let on = |effect: Effect, object: &str| (effect, object.to_owned());
    assert_eq!(of("DROP TABLE IF EXISTS orders, pad"), [on(Drop, "orders"), on(Drop, "pad")]);
    assert_eq!(of("drop table shop.`orders`"), [on(Drop, "orders")]);
    assert_eq!(of("TRUNCATE orders"), [on(Truncate, "orders")]);
    assert_eq!(of("CREATE TABLE x9 (i INT)"), [on(Define, "")]);
    assert_eq!(of("GRANT ALL ON *.* TO 'x'@'%'"), [on(Privilege, "")]);
    assert_eq!(of("SET GLOBAL general_log = 1"), [on(Server, "")]);
    assert_eq!(of("KILL 5"), [on(Session, "")]);
    assert_eq!(one("KILL 5").instead, Some("DO 0"));
    assert_eq!(of("KILL USER x"), [on(Server, "")]);
    assert_eq!(of("LOAD DATA INFILE '/etc/passwd' INTO TABLE pad"), [on(File, "")]);
    assert_eq!(of("SELECT LOAD_FILE('/etc/passwd')"), [on(File, "load_file")]);
    assert_eq!(of("SELECT cust_ssn(1)"), [on(Call, "cust_ssn")]);
    assert_eq!(of("REPLACE INTO pad VALUES (1,'a','b')"), [on(Insert, "pad"), on(Delete, "pad")]);
    assert_eq!(
        of("DELETE FROM customers WHERE id = 1"),
        [on(Read, "customers"), on(Delete, "customers"), on(Delete, "orders")]
    );
    assert_eq!(of("SET NAMES utf8mb4 COLLATE utf8mb4_unicode_ci"), [on(Session, "")]);
    assert_eq!(of("USE shop"), [on(Session, "")]);
    assert_eq!(one("START TRANSACTION").transaction, TransactionChange::Begin);
    assert_eq!(one("ROLLBACK TO SAVEPOINT a").transaction, TransactionChange::RollbackTo);
    assert_eq!(one("DROP TABLE pad").transaction, TransactionChange::Commit);
}

#[test]
fn what_masked_roles_may_not_do_is_opaque() {
    for text in [
        "SELECT cust_ssn(1)",
        "SHOW STATUS",
        "SHOW PROCESSLIST",
        "SELECT @@warning_count",
        "SELECT * FROM performance_schema.events_statements_history LIMIT 0, 1",
        "SELECT user FROM mysql.user",
        "SELECT table_rows FROM information_schema.tables",
        "CREATE VIEW v AS SELECT ssn FROM customers",
        "SHOW TABLE STATUS",
    ] {
        let last = all(text).into_iter().last().unwrap();
        assert!(!last.opaque.is_empty() || last.unanalysed.is_some(), "{text}");
    }
    for text in
        ["SELECT column_name FROM information_schema.columns", "SET @a = 1", "SELECT @a, @@version, CONNECTION_ID()"]
    {
        assert!(one(text).opaque.is_empty(), "{text}");
    }
}

#[test]
fn what_is_not_understood_is_refused() {
    for text in [
        "SET sql_mode='ANSI_QUOTES'",
        "SET sql_mode = 4",
        "SET @@session.sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')",
        "SET NAMES gbk",
        "SET character_set_client = sjis",
        "SET @a = (SELECT ssn FROM customers)",
        "SELECT @a := ssn FROM customers",
        "PREPARE p FROM 'SELECT 1; SELECT 2'",
        "PREPARE p FROM 'PREPARE q FROM ''SELECT 1'''",
        "PREPARE p FROM 'SET sql_mode = 4'",
        "PREPARE p FROM 'COMMIT'",
        "PREPARE p FROM ''",
        "PREPARE p FROM @text",
        "PREPARE p FROM _binary'SELECT 1'",
        "PREPARE é FROM 'SELECT 1'",
        "EXECUTE p USING (SELECT 1)",
        "EXECUTE p USING @@version",
        "EXECUTE IMMEDIATE CONCAT('SELECT', ' 1')",
        "HANDLER customers OPEN",
        "CALL other.get_customer(1)",
        "CALL get_customer(1), (2)",
        "CALL get_customer(1); SELECT 1",
        "CALL",
        "SELECT ssn FROM customers INTO OUTFILE '/tmp/x'",
        "TABLE customers",
        "USE mysql",
        "SELECT * FROM other.customers",
        "SELECT nothing FROM customers",
        "SELECT * FROM nowhere",
        "SELECT ssn FROM customers PROCEDURE ANALYSE()",
        "UPDATE customers, pad SET pad.txt = customers.ssn",
        "XA START 'a'",
        "COMMIT AND CHAIN",
        "SHOW TABLES FROM mysql",
        "SHOW TABLES WHERE (SELECT 1)",
        "SHOW COLUMNS FROM user FROM mysql",
        "CREATE TABLE x (a INT) AS SELECT ssn FROM customers",
        "CREATE TABLE other.x AS SELECT ssn FROM customers",
        "CREATE TEMPORARY TABLE x WITH c AS (TABLE customers) SELECT * FROM c",
        "CREATE TABLE x TABLE customers",
        "CREATE TABLE x (a INT) AS (TABLE customers)",
        "CREATE TEMPORARY TABLE x TABLE customers",
        "CREATE TEMPORARY TABLE x (TABLE customers)",
        "CREATE TEMPORARY TABLE x (a INT) IGNORE WITH c AS (TABLE customers) TABLE c",
        "CREATE TEMPORARY TABLE x (a INT) VALUES ROW(1)",
        "CREATE TEMPORARY TABLE x (a INT) ENGINE=MERGE UNION=(customers)",
        "CREATE TEMPORARY TABLE x (a INT) ENGINE=FEDERATED CONNECTION='mysql://h/d/t'",
        "CREATE TEMPORARY TABLE other.x (a INT)",
        "WITH Customers AS (SELECT 1 AS ssn) SELECT ssn FROM customers",
        "ANALYZE SELECT * FROM customers",
        "ANALYZE FORMAT=JSON SELECT * FROM customers",
        "SET sql_mode = DEFAULT",
        "SET NAMES DEFAULT",
        "SET collation_connection = gbk_chinese_ci",
        "EXPLAIN ANALYZE UPDATE customers SET ssn = 1",
        "EXPLAIN ANALYZE ANALYZE SELECT 1",
        "INSERT INTO contacts VALUES (1, 'a')",
        "SELECT * FROM information_schema.columns, customers",
        "SELECT 'a",
        "SELECT 1; SELECT",
    ] {
        refused(text);
    }
    assert_eq!(refused("SELECT * FROM nowhere"), RefusalKind::UnknownTable);
    assert_eq!(refused("SELECT nothing FROM customers"), RefusalKind::UnknownColumn);
}

#[test]
fn several_statements_are_told_apart() {
    let found = all("SELECT id FROM customers; UPDATE pad SET txt = ';' WHERE id = 1 ;; SELECT 1");
    assert_eq!(found.iter().map(|s| s.tag).collect::<Vec<_>>(), ["SELECT", "UPDATE", "SELECT"]);
}

#[test]
fn a_temporary_table_is_the_session_s_own() {
    let found = all(
        "CREATE TEMPORARY TABLE tmp (a INT); INSERT INTO tmp VALUES (1); SELECT a FROM tmp; DELETE FROM tmp WHERE a = 1",
    );
    assert!(found.iter().all(|s| s.unanalysed.is_none()), "{found:?}");
    assert_eq!(found[0].temporary, ["tmp"]);
    let copied = all("CREATE TEMPORARY TABLE tmp (a INT); INSERT INTO tmp SELECT ssn FROM customers");
    assert!(copied[1].uses.iter().any(|u| &*u.construct == "INSERT ... SELECT"));
}

#[test]
fn a_name_that_a_table_and_a_temporary_table_have_means_neither() {
    for text in [
        "CREATE TEMPORARY TABLE pad (a INT); DROP TEMPORARY TABLE pad; DELETE FROM pad",
        "CREATE TEMPORARY TABLE pad (a INT); SELECT a FROM pad",
        "CREATE TEMPORARY TABLE pad (a INT); INSERT INTO shop.pad VALUES (1)",
        "CREATE TEMPORARY TABLE Pad (a INT); DELETE FROM pad",
    ] {
        let found = all(text);
        assert_eq!(found.last().unwrap().unanalysed.as_ref().unwrap().kind, RefusalKind::Unsupported, "{text}");
    }
}

#[test]
fn temporary_tables_are_made_of_columns_and_plain_options() {
    for text in [
        "CREATE TEMPORARY TABLE t (a INT, b VARCHAR(10) AS (CONCAT(a, 'x')), KEY (a)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='x'",
        "CREATE TEMPORARY TABLE IF NOT EXISTS `t` LIKE customers",
        "CREATE TEMPORARY TABLE t (LIKE customers)",
        "CREATE TEMPORARY TABLE t (a INT) ENGINE MEMORY, DEFAULT CHARACTER SET = utf8mb4 COLLATE utf8mb4_bin",
    ] {
        assert_eq!(one(text).temporary, ["t"], "{text}");
    }
}

fn ordered_by_index(text: &str) -> bool {
    one(text).uses.iter().any(|u| u.construct.contains("order of an index"))
}

#[test]
fn an_index_that_gives_rows_their_order_is_used() {
    for text in [
        "SELECT id FROM customers LIMIT 3",
        "SELECT id FROM customers ORDER BY NULL LIMIT 3",
        "SELECT id FROM customers WHERE id IN (1, 2)",
        "SELECT txt FROM pad JOIN (SELECT id FROM customers LIMIT 1) d ON d.id = pad.id",
        "SELECT o.id FROM orders o WHERE o.customer_id IN (SELECT id FROM customers LIMIT 3)",
        "SELECT segment FROM customers USE INDEX (ssn)",
        "SELECT o.total FROM orders o JOIN customers c FORCE INDEX (SS) ON c.id = o.customer_id",
        "SELECT GROUP_CONCAT(id) FROM customers",
        "SELECT id FROM customers UNION ALL SELECT id FROM pad",
        "SELECT id FROM customers UNION ALL SELECT id FROM pad ORDER BY id",
        "SELECT id FROM customers UNION SELECT id FROM pad",
        "SELECT id FROM pad UNION (SELECT id FROM customers LIMIT 1) ORDER BY id",
        "SELECT id, ssn FROM customers UNION SELECT id, txt FROM pad ORDER BY id",
    ] {
        assert!(ordered_by_index(text), "{text}");
    }
    for text in [
        "SELECT id FROM customers ORDER BY id LIMIT 3",
        "SELECT id, segment FROM customers LIMIT 3",
        "SELECT COUNT(*), MAX(id) AS newest FROM customers",
        "SELECT 1 FROM customers",
        "SELECT id, ssn FROM customers WHERE id = 1",
        "SELECT total FROM orders WHERE customer_id IN (SELECT id FROM customers)",
        "SELECT total FROM orders o WHERE EXISTS (SELECT id FROM customers c WHERE c.id = o.customer_id)",
        "SELECT id, mail FROM contacts",
        "SELECT segment FROM customers IGNORE INDEX (ssn)",
        "SELECT id FROM customers INTERSECT SELECT customer_id FROM orders ORDER BY id LIMIT 2",
        "SELECT c.id FROM customers c EXCEPT SELECT id FROM pad UNION SELECT 1 ORDER BY id DESC",
    ] {
        assert!(!ordered_by_index(text), "{text}");
    }
}

#[test]
fn passwords_are_secrets() {
    for text in ["CREATE USER x IDENTIFIED BY 'pw'", "ALTER USER x IDENTIFIED BY 'pw'", "SET PASSWORD FOR x = 'pw'"] {
        assert!(one(text).literals.iter().all(|l| l.secret), "{text}");
    }
}
