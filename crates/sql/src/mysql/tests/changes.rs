//! Statements that change, make or run something beyond a plain INSERT, UPDATE or DELETE.

use super::*;

#[test]
fn a_call_is_of_its_procedure_and_uses_what_is_handed_to_it() {
    assert_eq!(effects("CALL get_customer"), [(Effect::Call, "get_customer".to_owned(), true)]);
    assert_eq!(effects("CALL shop.`get_customer`(1, @x)"), [(Effect::Call, "get_customer".to_owned(), true)]);
    assert_eq!(&*one("CALL get_customer()").opaque[0].object, "get_customer");
    assert_eq!(uses("CALL get_customer((SELECT ssn FROM customers LIMIT 1))"), ["customers.ssn"]);
}

#[test]
fn a_deletion_by_a_join_is_of_the_tables_that_it_names_and_bounded_by_nothing() {
    let of = |text: &str| -> Vec<(Effect, String, bool)> {
        effects(text).into_iter().filter(|(effect, ..)| *effect == Effect::Delete).collect()
    };
    for text in [
        "DELETE o FROM orders o JOIN customers c ON c.id = o.customer_id WHERE c.segment = 'x' AND o.id = 1",
        "DELETE orders FROM orders, customers WHERE orders.customer_id = customers.id",
        "DELETE FROM orders USING orders JOIN customers ON customers.id = orders.customer_id",
    ] {
        assert_eq!(of(text), [(Effect::Delete, "orders".to_owned(), false)], "{text}");
    }
    assert_eq!(of("DELETE o, c FROM orders o JOIN customers c ON c.id = o.customer_id").len(), 2);
    assert_eq!(uses("DELETE o FROM orders o JOIN customers c ON c.ssn = o.id"), ["customers.ssn", "orders.id"]);
    for text in [
        "DELETE x FROM orders o JOIN customers c ON c.id = o.customer_id",
        "DELETE o FROM orders o JOIN customers o ON 1 = 1",
        "DELETE d FROM (SELECT id FROM orders) d",
        "DELETE contacts FROM contacts JOIN orders ON 1 = 1",
    ] {
        refused(text);
    }
}

#[test]
fn a_table_that_a_query_fills_uses_all_that_the_query_shows() {
    for text in [
        "CREATE TABLE x AS SELECT id, ssn FROM customers ORDER BY id",
        "CREATE TABLE IF NOT EXISTS x WITH c AS (SELECT id, ssn FROM customers ORDER BY id) SELECT * FROM c",
        "CREATE TEMPORARY TABLE x SELECT id, ssn FROM customers ORDER BY id",
    ] {
        assert_eq!(uses(text), ["customers.id", "customers.ssn"], "{text}");
    }
    assert!(effects("CREATE TABLE x AS SELECT 1").iter().any(|(effect, ..)| *effect == Effect::Define));
    assert_eq!(one("CREATE TEMPORARY TABLE x AS SELECT id FROM orders").temporary, ["x"]);
}

#[test]
fn explain_analyze_runs_what_it_explains() {
    let whole = uses("EXPLAIN SELECT id FROM customers");
    assert_eq!(uses("EXPLAIN ANALYZE SELECT id FROM customers"), whole);
    assert_eq!(uses("EXPLAIN ANALYZE FORMAT=TREE SELECT id FROM customers"), whole);
    assert!(effects("EXPLAIN ANALYZE SELECT home_grown(1)").iter().any(|(effect, ..)| *effect == Effect::Call));
    assert!(!effects("EXPLAIN SELECT home_grown(1)").iter().any(|(effect, ..)| *effect == Effect::Call));
}
