use querygate_record::{Barrier, Engine, Named};

use super::*;

fn used(text: &str) -> Vec<String> {
    one(text).uses.iter().map(|u| format!("{} in {}", catalog().name_of(u.column).unwrap(), u.construct)).collect()
}

#[test]
fn what_the_parser_lacks_reads_the_columns_that_it_names() {
    for text in [
        "SELECT EXTRACT(YEAR_MONTH FROM ssn) FROM customers",
        "SELECT ssn + INTERVAL '1 2' DAY_HOUR FROM customers",
        "SELECT INTERVAL(5, ssn, 10) FROM customers",
        "SELECT INTERVAL((SELECT ssn FROM customers LIMIT 1), 1) FROM DUAL",
        "SELECT ssn INTO @a FROM customers",
        "SELECT id, ssn FROM customers WHERE id = 1 INTO @a, @b",
        "(SELECT ssn FROM customers) INTO @a",
        "DO (SELECT ssn FROM customers LIMIT 1)",
        "DO 1, IF((SELECT ssn FROM customers LIMIT 1) = 'a', SLEEP(1), 0)",
        "SELECT id FROM customers WHERE ssn = {d '2025-01-02'} LOCK IN SHARE MODE",
        "VALUES ROW(1, (SELECT ssn FROM customers LIMIT 1))",
    ] {
        assert!(used(text).iter().any(|u| u.starts_with("customers.ssn in ")), "{text}: {:?}", used(text));
    }
    for text in [
        "SELECT 1 AS one FROM DUAL WHERE 1 = 1",
        "SELECT EXTRACT(YEAR_MONTH FROM '2025-03-04'), '2025-01-31' + INTERVAL '1 2' DAY_HOUR, INTERVAL(5, 1, 10)",
        "SELECT {d '2025-01-02'}, {ts '2025-01-02 03:04:05'}, {t '03:04:05'}",
        "SELECT COUNT(*) INTO @n FROM pad",
        "SELECT total FROM orders WHERE id = 3 LOCK IN SHARE MODE",
        "VALUES ROW(1, 'a'), ROW(2, 'b') ORDER BY 1",
        "DO 1 + 1",
        "SET @a := 5",
    ] {
        let statement = one(text);
        let masked = statement.uses.iter().any(|u| catalog().name_of(u.column).unwrap().starts_with("customers."));
        assert!(!masked && statement.opaque.is_empty(), "{text}: {statement:?}");
    }
    assert_eq!(outputs("SELECT id, txt FROM pad LOCK IN SHARE MODE"), ["pad.id", "pad.txt"]);
    assert_eq!(outputs("VALUES ROW(1, 'a')"), ["computed", "computed"]);
    assert!(one("SELECT COUNT(*) INTO @n FROM pad").outputs.is_none());
}

#[test]
fn forms_that_only_look_alike_are_refused() {
    for text in [
        "SELECT @a := 1",
        "SELECT id FROM customers WHERE (@a := ssn) = 1",
        "EXPLAIN SELECT @a := ssn FROM customers",
        "SELECT ssn FROM customers INTO DUMPFILE '/tmp/x'",
        "SELECT ssn FROM customers INTO @a, OUTFILE",
        "SELECT ssn INTO @@sql_mode FROM customers",
        "SELECT ssn INTO a FROM customers",
        "SELECT {fn SLEEP(1)}",
        "SELECT {x 1}",
        "SELECT 1 FROM `dual`",
        "SELECT o.year_month FROM orders o",
        "INSERT INTO pad VALUES (1, 'a', 'b') RETURNING id",
        "SET STATEMENT max_statement_time = 10 FOR SELECT 1",
    ] {
        refused(text);
    }
}

#[test]
fn a_mode_is_added_or_taken_out_where_texts_are_read_as_before() {
    for text in [
        "SET sql_mode = CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES')",
        "SET SESSION sql_mode = CONCAT('NO_ZERO_DATE,', @@session.sql_mode)",
        "SET @@sql_mode := REPLACE(@@sql_mode, 'ONLY_FULL_GROUP_BY', '')",
        "SET sql_mode = (SELECT REPLACE(@@sql_mode, 'ONLY_FULL_GROUP_BY', ''))",
        "SET autocommit = 1, NAMES utf8mb4 COLLATE utf8mb4_bin, CHARACTER SET utf8mb4",
        "set autocommit=1, session_track_system_variables = CONCAT(@@global.session_track_system_variables,',auto_increment_increment')",
    ] {
        assert!(one(text).opaque.is_empty(), "{text}");
    }
    for text in [
        "SET sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')",
        "SET autocommit = 1, NAMES gbk",
        "SET sql_mode = CONCAT(@@sql_mode, ',ANSI' '_QUOTES')",
        "SET sql_mode = CONCAT(@@sql_mode, '_QUOTES')",
        "SET sql_mode = CONCAT('ANSI', @@sql_mode)",
        "SET sql_mode = CONCAT(@@global.sql_mode, ',STRICT_TRANS_TABLES')",
        "SET sql_mode = REPLACE(@@sql_mode, 'ONLY_FULL_GROUP_BY', 'ANSI_QUOTES')",
        "SET sql_mode = REPLACE(@@sql_mode, 'STRICT', '')",
        "SET sql_mode = (SELECT ssn FROM customers)",
    ] {
        refused(text);
    }
}

#[test]
fn all_columns_of_a_temporary_table_are_the_sessions_own() {
    let last = |text: &str| all(text).into_iter().last().unwrap();
    let made = "CREATE TEMPORARY TABLE tmp (a INT)";
    let shown = last(&format!("{made}; SELECT * FROM tmp ORDER BY a"));
    assert!(shown.unanalysed.is_none() && shown.outputs.is_none() && shown.uses.is_empty(), "{shown:?}");
    let joined = last(&format!("{made}; SELECT * FROM tmp JOIN customers c ON c.id = tmp.a"));
    assert!(joined.uses.iter().any(|u| &*u.construct == "`*` of a temporary table"), "{joined:?}");
    let beside = last(&format!("{made}; SELECT *, (SELECT ssn FROM customers LIMIT 1) FROM tmp"));
    assert!(!beside.uses.is_empty(), "{beside:?}");
    let plain = last(&format!("{made}; SELECT tmp.a, c.ssn, tmp.* FROM tmp, customers c"));
    assert!(plain.unanalysed.is_some(), "{plain:?}");
    let inside = last(&format!("{made}; SELECT x.a FROM (SELECT * FROM tmp) x"));
    assert!(inside.unanalysed.is_some(), "{inside:?}");
}

#[test]
fn what_the_catalog_says_of_stored_values_is_not_read() {
    for text in [
        "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY table_name",
        "SELECT s.index_name, s.non_unique FROM information_schema.statistics s WHERE s.table_name = 'pad'",
        "SELECT t.TABLE_NAME FROM information_schema.TABLES t JOIN information_schema.columns c ON c.table_name = t.table_name",
        "SELECT table_rows FROM (SELECT 1 AS table_rows) x",
        "SELECT table_schema AS table_cat FROM information_schema.tables ORDER BY table_cat",
        "SHOW STATUS LIKE 'Ssl_cipher'",
    ] {
        assert!(one(text).opaque.is_empty(), "{text}");
    }
    for text in [
        "SELECT table_rows FROM information_schema.tables",
        "SELECT t.auto_increment FROM information_schema.tables t",
        "SELECT 1 FROM information_schema.tables ORDER BY data_length",
        "SELECT 1 AS table_rows FROM information_schema.tables GROUP BY table_rows",
        "SELECT cardinality FROM information_schema.statistics",
        "SELECT (SELECT table_rows FROM information_schema.tables LIMIT 1) FROM (SELECT 1 AS table_rows) x",
        "SELECT 1 FROM information_schema.tables a JOIN information_schema.tables b USING (update_time)",
        "SELECT 1 FROM (SELECT 5 AS table_rows) x JOIN information_schema.tables USING (table_rows)",
        "SELECT information_schema.tables.table_rows FROM information_schema.tables",
        "SHOW STATUS LIKE '%'",
        "SHOW STATUS LIKE 'Handler_read_next'",
        "SHOW STATUS WHERE variable_name = 'Handler_read_next'",
    ] {
        let statement = all(text).remove(0);
        assert!(!statement.opaque.is_empty() || statement.unanalysed.is_some(), "{text}");
    }
}

#[test]
fn mariadb_returns_what_it_changed_and_sets_for_one_statement() {
    let catalog = catalog_of(Engine::Mariadb);
    let settings = Settings { search_path: Vec::new(), user: String::new(), temporary: Vec::new() };
    let read = |text: &str| analyse(text, &catalog, &settings, &Limits::default()).remove(0);
    let shown = |text: &str| {
        let outputs = read(text).outputs.unwrap();
        let name = |o: &Origin| match o {
            Origin::Column { column, .. } => catalog.name_of(*column).unwrap(),
            Origin::Computed => "computed".to_owned(),
        };
        outputs.iter().map(|o| name(&o.origin)).collect::<Vec<_>>()
    };
    assert_eq!(shown("INSERT INTO pad VALUES (1, 'a', 'b') RETURNING id, txt AS t"), ["pad.id", "pad.txt"]);
    assert_eq!(shown("DELETE FROM pad WHERE id = 1 RETURNING *"), ["pad.id", "pad.txt", "pad.code"]);
    assert_eq!(shown("REPLACE INTO pad VALUES (1, 'a', 'b') RETURNING UPPER(txt)"), ["computed"]);
    assert!(
        read("DELETE FROM customers WHERE id = 1 RETURNING CONCAT(ssn)").uses.iter().any(|u| u.column.attribute == 3)
    );
    assert!(!read("DELETE FROM pad WHERE id = 1 RETURNING (SELECT ssn FROM customers LIMIT 1)").uses.is_empty());
    assert_eq!(shown("SET STATEMENT max_statement_time = 10 FOR SELECT id FROM pad"), ["pad.id"]);
    let masked = read("SET STATEMENT max_statement_time = 10 FOR SELECT id FROM customers WHERE ssn = 'a'");
    assert!(!masked.uses.is_empty());
    for text in [
        "SET STATEMENT sql_mode = 'ANSI_QUOTES' FOR SELECT \"ssn\" FROM customers",
        "SET STATEMENT max_statement_time = (SELECT 1) FOR SELECT 1",
        "SET STATEMENT max_statement_time = 1 FOR SET STATEMENT max_statement_time = 2 FOR SELECT 1",
        "SET STATEMENT max_statement_time = 1",
    ] {
        assert!(read(text).unanalysed.is_some(), "{text}");
    }
}

#[test]
fn warnings_are_shown_by_who_knows_whose_they_are() {
    for (text, instead) in [
        ("SHOW WARNINGS", "SHOW WARNINGS LIMIT 0"),
        ("show errors limit 5, 10", "SHOW WARNINGS LIMIT 0"),
        ("SHOW COUNT(*) WARNINGS", "SELECT 0 AS `@@session.warning_count`"),
    ] {
        let statement = one(text);
        assert_eq!((statement.instead, statement.opaque.len()), (Some(instead), 0), "{text}");
    }
    let several = all("SELECT 1; SHOW WARNINGS");
    assert!(several[1].instead.is_none() && !several[1].opaque.is_empty());
    for text in ["SHOW COUNT(*)", "SHOW COUNT((SELECT 1)) WARNINGS"] {
        assert!(all(text)[0].unanalysed.is_some(), "{text}");
    }
}

#[test]
fn results_in_the_columns_own_character_sets_come_in_utf8() {
    for text in ["SET character_set_results = NULL", "SET SESSION character_set_results = 'binary'"] {
        assert_eq!(one(text).instead, Some("SET character_set_results = utf8mb4"), "{text}");
    }
    for text in [
        "SET character_set_results = NULL, autocommit = 1",
        "SELECT 1; SET character_set_results = NULL",
        "SET character_set_results = latin1",
        "SET character_set_client = NULL",
    ] {
        assert!(all(text).iter().any(|s| s.unanalysed.is_some()), "{text}");
    }
    assert!(one("SET time_zone = '+05:00'").shifts_instants);
}

#[test]
fn words_in_comments_count_where_the_server_runs_them() {
    assert_eq!(outputs("SELECT id /*! , ssn */ FROM customers"), ["customers.id", "customers.ssn"]);
    assert_eq!(outputs("SELECT id /*!90705 , ssn */ FROM customers ORDER BY id"), ["customers.id"]);
    assert!(used("SELECT id FROM pad WHERE 1 /*!50000 AND (SELECT ssn FROM customers LIMIT 1) */")[0].contains("ssn"));
    assert_eq!(one("START TRANSACTION /*!40100 WITH CONSISTENT SNAPSHOT */").transaction, TransactionChange::Begin);
    for text in ["SELECT 1 /*! +1", "SELECT 1 /*! /* a */ */", "SELECT 1 /*! -- a */", "SELECT 1 /*!500 +1 */"] {
        refused(text);
    }
}

#[test]
fn a_text_that_another_prepares_is_read_as_the_server_reads_it() {
    let prepared = one("PREPARE `P_1` FROM 'SELECT id, ssn FROM customers WHERE id = ?'");
    assert_eq!(prepared.named, Some(Named::Prepare("p_1".into())));
    let names: Vec<_> = prepared.outputs.as_ref().unwrap().iter().map(|o| o.name.to_string()).collect();
    assert_eq!(names, ["id", "ssn"]);
    assert_eq!(one("EXECUTE P_1 USING @a, 5").named, Some(Named::Execute("p_1".into())));
    assert_eq!(one("DROP PREPARE p_1").named, Some(Named::Deallocate(Some("p_1".into()))));
    let inside = "PREPARE p FROM \"SELECT id FROM customers WHERE ssn = 'x\"\"' ORDER BY id\"";
    assert_eq!(used(inside), ["customers.ssn in WHERE", "customers.id in ORDER BY"]);
    assert_eq!(used("EXECUTE IMMEDIATE 'SELECT MAX(ssn) FROM customers'"), used("SELECT MAX(ssn) FROM customers"));
    assert!(one("PREPARE p FROM 'DELETE FROM pad'").effects.iter().any(|e| e.effect == Effect::Delete));
}

#[test]
fn settings_are_kept_in_variables_and_put_back() {
    for text in [
        "SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0",
        "SET UNIQUE_CHECKS=@OLD_UNIQUE_CHECKS, @a = @b",
        "/*!40101 SET @saved_cs_client = @@character_set_client */",
    ] {
        let statement = one(text);
        assert!(statement.unanalysed.is_none() && statement.barrier == Barrier::None, "{text}: {statement:?}");
    }
    for text in ["SET sql_mode = @OLD_SQL_MODE", "SET SESSION character_set_client = @saved_cs_client, @a = 1"] {
        assert_eq!(one(text).barrier, Barrier::Unknown, "{text}");
    }
    for text in [
        "SET @a = @@last_insert_id",
        "SET sql_mode = @@global.sql_mode",
        "SET @@global.sql_mode = @a; SELECT 1",
        "SET sql_mode = @a; SELECT \"x\"",
        "SET STATEMENT sql_mode = @a FOR SELECT \"x\"",
        "SET sql_log_bin = @a",
    ] {
        assert!(all(text).iter().any(|s| s.unanalysed.is_some()), "{text}");
    }
}
