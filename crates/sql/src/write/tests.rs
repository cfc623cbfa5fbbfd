//! What writes change, how far, and what they set off.

use crate::{
    Limits, analyse,
    query::tests::{one, settings, shown_uses},
    statement::Statement,
    test_catalog::shop,
};

fn bounded(text: &str) -> bool {
    let statement = one(text);
    assert!(statement.unanalysed.is_none(), "{text}: {:?}", statement.unanalysed);
    statement.effects.iter().all(|on| on.bounded)
}

fn opaque(statement: &Statement) -> Vec<&str> {
    statement.opaque.iter().map(|opaque| &*opaque.object).collect()
}

fn writes(text: &str) -> Vec<String> {
    let statement = one(text);
    assert!(statement.unanalysed.is_none(), "{text}: {:?}", statement.unanalysed);
    let name = |write: &crate::statement::Write| {
        let name = shop().name_of(write.column).unwrap();
        format!("{}{}", name.trim_start_matches("public."), if write.constant { "" } else { " computed" })
    };
    statement.writes.iter().map(name).collect()
}

#[test]
fn a_key_compared_with_constants_bounds() {
    for text in [
        "DELETE FROM pad WHERE id = 1",
        "DELETE FROM pad WHERE 1 = id AND txt LIKE 'x%'",
        "DELETE FROM pad WHERE (id = $1) AND (num > 3 OR txt = 'a')",
        "DELETE FROM pad p WHERE p.id IN (1, 2, $1)",
        "DELETE FROM pad WHERE id = ANY($1)",
        "DELETE FROM pad WHERE pad.id = '5'::int",
        "DELETE FROM order_items WHERE order_id = 1 AND product_id = 2",
        "DELETE FROM order_items WHERE (order_id, product_id) IN ((1, 2), (3, 4))",
        "DELETE FROM orders WHERE customer_id = 5",
        "UPDATE pad SET num = p.stock FROM products p WHERE p.id = pad.id AND pad.id = 3",
        "UPDATE patients SET admitted = now() WHERE id = 7",
        "UPDATE ONLY contractors SET name = 'x' WHERE id = 1",
        "INSERT INTO pad VALUES (1, 'x', 2) ON CONFLICT (id) DO UPDATE SET txt = 'x'",
    ] {
        assert!(bounded(text), "{text}");
    }
}

#[test]
fn nothing_else_bounds() {
    for text in [
        "DELETE FROM pad",
        "DELETE FROM pad WHERE 1 = 1",
        "DELETE FROM pad WHERE id = id",
        "DELETE FROM pad WHERE id >= 0",
        "DELETE FROM pad WHERE id = 1 OR true",
        "DELETE FROM pad WHERE NOT id = 1",
        "DELETE FROM pad WHERE id <> 1",
        "DELETE FROM pad WHERE id NOT IN (1)",
        "DELETE FROM pad WHERE id = num",
        "DELETE FROM pad WHERE id = (SELECT max(id) FROM pad)",
        "DELETE FROM pad WHERE id IN (SELECT id FROM archive)",
        "DELETE FROM pad WHERE (id = 1) IS NOT NULL",
        "DELETE FROM pad WHERE id + 0 = 1",
        "DELETE FROM pad WHERE txt = 'x'",
        "DELETE FROM pad WHERE id = ANY(ARRAY(SELECT id FROM pad))",
        "DELETE FROM pad USING products p WHERE p.id = 1",
        "DELETE FROM order_items WHERE order_id = 1",
        "DELETE FROM contractors WHERE id = 1",
        "UPDATE customer_contacts SET full_name = 'x' WHERE id = 1",
        "UPDATE pad SET num = 1 FROM products p WHERE p.id = pad.id",
        "MERGE INTO pad p USING products s ON p.id = s.id WHEN MATCHED THEN DELETE",
        "INSERT INTO pad SELECT * FROM pad ON CONFLICT (id) DO UPDATE SET txt = 'x'",
        "WITH x AS (DELETE FROM pad RETURNING id) SELECT id FROM x",
        "EXPLAIN ANALYZE UPDATE pad SET num = 1",
    ] {
        assert!(!bounded(text), "{text}");
    }
}

/// What the condition of the statement's change fixes; none where no condition of its own decides.
fn compared(text: &str) -> Option<(String, Vec<String>)> {
    let mut found = one(text).effects.into_iter().filter_map(|on| on.compared);
    let compared = found.next()?;
    assert!(found.next().is_none(), "{text}");
    Some((compared.table.to_string(), compared.columns.iter().map(ToString::to_string).collect()))
}

#[test]
fn what_a_condition_compares_with_constants_is_told() {
    for (text, columns) in [
        ("DELETE FROM pad", vec![]),
        ("DELETE FROM pad WHERE txt = 'x'", vec!["txt"]),
        ("DELETE FROM pad p WHERE p.num IN (1, $1) AND (txt = $2 AND id > 3)", vec!["num", "txt"]),
        ("UPDATE pad SET num = 1 WHERE (txt, num) = ('x', 2)", vec!["txt", "num"]),
        ("UPDATE pad SET num = 1 WHERE txt = 'x' OR num = 2", vec![]),
        ("UPDATE pad SET num = 1 WHERE txt = upper('x') AND NOT num = 2 AND id = num", vec![]),
        ("UPDATE pad SET num = 1 FROM products p WHERE p.id = 1 AND txt = 'x'", vec!["txt"]),
        ("MERGE INTO pad p USING products s ON p.id = s.id AND p.num = 3 WHEN MATCHED THEN DELETE", vec!["num"]),
    ] {
        let mut found = compared(text).unwrap();
        found.1.sort();
        let mut columns: Vec<String> = columns.into_iter().map(str::to_owned).collect();
        columns.sort();
        assert_eq!(found, ("public.pad".to_owned(), columns), "{text}");
    }
    // The rows of VALUES, a cursor's row, a view's.
    for text in [
        "INSERT INTO pad VALUES (1, 'x', 2) ON CONFLICT (id) DO UPDATE SET txt = 'x'",
        "DELETE FROM pad WHERE CURRENT OF c",
        "UPDATE customer_contacts SET full_name = 'x' WHERE id = 1",
    ] {
        assert_eq!(compared(text), None, "{text}");
    }
}

#[test]
fn every_assigned_column_is_a_write_and_says_whether_it_is_constant() {
    assert_eq!(writes("INSERT INTO pad VALUES (1, $1, -3)"), ["pad.id", "pad.txt", "pad.num"]);
    assert_eq!(writes("INSERT INTO pad (num, id) VALUES (1 + 1, 2), (3, 4)"), ["pad.num computed", "pad.id"]);
    assert_eq!(
        writes("INSERT INTO pad (id, txt) SELECT id, name FROM products"),
        ["pad.id computed", "pad.txt computed"]
    );
    assert_eq!(writes("INSERT INTO pad DEFAULT VALUES"), Vec::<String>::new());
    assert_eq!(
        writes("UPDATE pad SET txt = 'x', (id, num) = (1, num + 1) WHERE id = 1"),
        ["pad.txt", "pad.id", "pad.num computed"]
    );
    assert_eq!(
        writes("INSERT INTO pad (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET txt = excluded.txt"),
        ["pad.id", "pad.txt computed"]
    );
    assert_eq!(writes("UPDATE customer_contacts SET email = 'x' WHERE id = 1"), ["customers.email"]);
    assert_eq!(writes("COPY pad (txt) FROM STDIN"), ["pad.txt"]);
    assert_eq!(
        writes(
            "MERGE INTO pad p USING products s ON p.id = s.id WHEN MATCHED THEN UPDATE SET num = 5 WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id)"
        ),
        ["pad.num", "pad.id computed"]
    );
}

#[test]
fn returning_gives_plain_columns() {
    use crate::query::tests::outputs;
    assert_eq!(
        outputs("UPDATE customers SET notes = 'x' WHERE id = 1 RETURNING id, ssn AS s"),
        ["id=customers.id", "s=customers.ssn"]
    );
    assert_eq!(
        outputs("DELETE FROM customers c WHERE id = 1 RETURNING c.email, upper(ssn)"),
        ["email=customers.email", "upper"]
    );
    assert_eq!(
        outputs("WITH d AS (DELETE FROM payments WHERE id = 1 RETURNING *) SELECT card_number FROM d"),
        ["card_number=payments.card_number"]
    );
    assert_eq!(one("DELETE FROM pad WHERE id = 1").outputs, None);
}

#[test]
fn values_from_columns_and_conditions_are_uses() {
    let uses = |text: &str| shown_uses(&one(text), text);
    assert_eq!(
        uses("UPDATE guesses SET ssn = c.ssn FROM customers c WHERE c.id = 1 AND guesses.id = 2"),
        ["customers.id: WHERE", "customers.ssn: UPDATE", "guesses.id: WHERE"]
    );
    assert_eq!(
        uses("INSERT INTO archive SELECT id, email FROM customers"),
        ["customers.email: INSERT", "customers.id: INSERT"]
    );
    assert_eq!(uses("INSERT INTO archive VALUES (1, (SELECT ssn FROM customers LIMIT 1))"), ["customers.ssn: INSERT"]);
    assert_eq!(
        uses("DELETE FROM pad USING customers c WHERE pad.id = 1 AND c.ssn = pad.txt"),
        ["customers.ssn: WHERE", "pad.id: WHERE", "pad.txt: WHERE"]
    );
    assert!(
        uses("SELECT 1 FROM pad WHERE EXISTS (SELECT FROM customers WHERE ssn = txt)")
            .contains(&"customers.ssn: WHERE".to_owned())
    );
}

#[test]
fn what_a_write_is_compared_with_is_used() {
    let uses = |text: &str| shown_uses(&one(text), text);
    assert!(
        uses("DELETE FROM customers WHERE id = 1")
            .contains(&"orders.customer_id: foreign key orders_customer_id_fkey".to_owned())
    );
    assert!(
        uses("INSERT INTO orders (id, customer_id) VALUES (1, 2)")
            .contains(&"customers.id: foreign key orders_customer_id_fkey".to_owned())
    );
    assert!(
        uses("UPDATE order_items SET qty = 1 WHERE order_id = 1 AND product_id = 1")
            .iter()
            .all(|used| used.ends_with("WHERE"))
    );
    assert!(
        uses("UPDATE order_items SET product_id = 1 WHERE order_id = 1 AND product_id = 1")
            .contains(&"order_items.order_id: unique index order_items_pkey".to_owned())
    );
}

#[test]
fn code_that_a_write_runs_is_opaque() {
    for (text, code) in [
        ("INSERT INTO inbox VALUES (1, 2, 'x')", "public.fill_note"),
        ("INSERT INTO tickets (id) VALUES (1)", "public.cust_ssn"),
        ("INSERT INTO tickets VALUES (1, DEFAULT)", "public.cust_ssn"),
        ("UPDATE tickets SET body = DEFAULT WHERE id = 1", "public.cust_ssn"),
        ("INSERT INTO ratings VALUES (1, 2)", "public.known_limit"),
        ("INSERT INTO drop_box VALUES (1, 'x')", ""),
        ("INSERT INTO pad VALUES (1, cust_ssn(1), 3)", "public.cust_ssn"),
        ("INSERT INTO pad VALUES (1, 'x', 3::big_spender)", "public.known_limit"),
    ] {
        assert!(opaque(&one(text)).contains(&code), "{text}: {:?}", opaque(&one(text)));
    }
    for text in [
        "INSERT INTO tickets VALUES (1, 'x')",
        "UPDATE inbox SET note = 'x' WHERE id = 1",
        "DELETE FROM drop_box WHERE id = 1",
        "INSERT INTO pad VALUES (1, 'x', 3)",
        "UPDATE customers SET segment = 'x' WHERE id = 1",
    ] {
        assert!(opaque(&one(text)).is_empty(), "{text}: {:?}", opaque(&one(text)));
    }
}

#[test]
fn literals_and_parameters_know_their_columns() {
    let text = "UPDATE customers SET email = 'a', notes = $1 WHERE ssn = 'b' AND id = 3";
    let statement = one(text);
    let name = |id: &crate::statement::ColumnId| shop().name_of(*id).unwrap();
    let shown: Vec<_> = statement
        .literals
        .iter()
        .map(|l| (&text[l.range.clone()], l.columns.iter().map(name).collect::<Vec<_>>()))
        .collect();
    assert_eq!(shown[0], ("'a'", vec!["public.customers.email".to_owned()]));
    assert_eq!(shown[1], ("'b'", vec!["public.customers.ssn".to_owned()]));
    assert_eq!(statement.parameters[0].iter().map(name).collect::<Vec<_>>(), ["public.customers.notes"]);
    let view = one("UPDATE customer_contacts SET email = 'x' WHERE id = 1");
    assert_eq!(view.literals[0].columns.iter().map(name).collect::<Vec<_>>(), ["public.customers.email"]);
}

#[test]
fn what_is_not_there_is_named() {
    for text in [
        "INSERT INTO nowhere VALUES (1)",
        "UPDATE pad SET nothing = 1 WHERE id = 1",
        "INSERT INTO pad (nothing) VALUES (1)",
    ] {
        assert!(one(text).unanalysed.is_some(), "{text}");
    }
    assert!(one("INSERT INTO mv_customers VALUES (1)").unanalysed.is_some());
}

#[test]
fn writing_the_server_s_own_tables_is_an_effect_on_the_server() {
    let all = analyse("UPDATE pg_class SET relname = 'x' WHERE oid = 1", shop(), &settings(), &Limits::default());
    assert!(all[0].effects.iter().any(|on| on.effect.name() == "server"), "{:?}", all[0].effects);
}
