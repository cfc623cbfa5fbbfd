use super::*;

#[test]
fn each_clause_names_itself() {
    for (text, construct) in [
        ("SELECT id FROM customers WHERE ssn LIKE '1%'", "WHERE"),
        ("SELECT id FROM customers ORDER BY ssn", "ORDER BY"),
        ("SELECT id, ssn AS s FROM customers ORDER BY s", "ORDER BY"),
        ("SELECT id, ssn FROM customers ORDER BY 2", "ORDER BY"),
        ("SELECT c.id FROM customers c JOIN guesses g ON g.ssn = c.ssn", "JOIN"),
        ("SELECT c.id FROM customers c JOIN guesses g USING (ssn)", "JOIN USING"),
        ("SELECT count(*) FROM customers GROUP BY ssn", "GROUP BY"),
        ("SELECT ssn AS s FROM customers GROUP BY s", "GROUP BY"),
        ("SELECT ssn, count(*) FROM customers GROUP BY 1", "GROUP BY"),
        ("SELECT count(*) FROM customers GROUP BY ROLLUP (country, ssn)", "GROUP BY"),
        ("SELECT count(*) FROM customers GROUP BY GROUPING SETS ((ssn), ())", "GROUP BY"),
        ("SELECT country FROM customers GROUP BY country HAVING max(ssn) > 'a'", "HAVING"),
        ("SELECT DISTINCT ssn FROM customers", "DISTINCT"),
        ("SELECT DISTINCT ON (ssn) id FROM customers", "DISTINCT ON"),
        ("SELECT ssn FROM customers UNION SELECT 'x'", "UNION"),
        ("SELECT 'h' UNION ALL SELECT ssn FROM customers ORDER BY 1", "UNION"),
        ("SELECT ssn FROM customers EXCEPT SELECT 'x'", "EXCEPT"),
        ("SELECT ssn FROM customers INTERSECT SELECT 'x'", "INTERSECT"),
        ("SELECT count(*) FILTER (WHERE ssn > '5') FROM customers", "FILTER"),
        ("SELECT row_number() OVER (PARTITION BY ssn) FROM customers", "PARTITION BY"),
        ("SELECT row_number() OVER (ORDER BY ssn) FROM customers", "window ORDER BY"),
        ("SELECT row_number() OVER w FROM customers WINDOW w AS (ORDER BY ssn)", "window ORDER BY"),
        ("SELECT mode() WITHIN GROUP (ORDER BY ssn) FROM customers", "WITHIN GROUP"),
        ("SELECT string_agg(full_name, ',' ORDER BY ssn) FROM customers", "aggregate ORDER BY"),
        ("SELECT upper(ssn) FROM customers", "function upper"),
        ("SELECT ssn || 'x' FROM customers", "operator ||"),
        ("SELECT ssn::int FROM customers", "cast"),
        ("SELECT CASE WHEN true THEN ssn END FROM customers", "CASE"),
        ("SELECT CASE ssn WHEN 'a' THEN 1 END FROM customers", "CASE"),
        ("SELECT coalesce(ssn, 'x') FROM customers", "COALESCE"),
        ("SELECT nullif(ssn, 'x') FROM customers", "NULLIF"),
        ("SELECT greatest(ssn, 'x') FROM customers", "GREATEST"),
        ("SELECT ssn IS NULL FROM customers", "IS NULL"),
        ("SELECT ssn IN ('a', 'b') FROM customers", "IN"),
        ("SELECT 'a' IN (SELECT ssn FROM customers)", "IN"),
        ("SELECT ssn BETWEEN 'a' AND 'b' FROM customers", "BETWEEN"),
        ("SELECT ssn LIKE 'a' FROM customers", "LIKE"),
        ("SELECT ssn COLLATE \"C\" FROM customers", "COLLATE"),
        ("SELECT ARRAY[ssn] FROM customers", "ARRAY"),
        ("SELECT ARRAY(SELECT ssn FROM customers)", "ARRAY"),
        ("SELECT (SELECT ssn FROM customers LIMIT 1)", "subquery"),
        ("SELECT ROW(ssn, 1) FROM customers", "ROW"),
        ("SELECT (ssn, 1) FROM customers", "ROW"),
        ("VALUES ((SELECT ssn FROM customers LIMIT 1))", "subquery"),
        ("SELECT ssn IS DISTINCT FROM 'a' FROM customers", "IS DISTINCT FROM"),
        ("SELECT 'a' = ANY (SELECT ssn FROM customers)", "subquery"),
        ("SELECT substring(ssn FROM 1 FOR 2) FROM customers", "function substring"),
        ("SELECT trim(both '1' from ssn) FROM customers", "function btrim"),
        ("SELECT position('1' in ssn) FROM customers", "function position"),
        ("SELECT overlay(ssn placing 'x' from 1) FROM customers", "function overlay"),
    ] {
        assert_eq!(uses_of("customers.ssn", text), [construct], "{text}");
    }
    assert_eq!(
        uses_of("employees.salary", "SELECT id FROM orders LIMIT (SELECT salary FROM employees LIMIT 1)"),
        ["LIMIT"]
    );
    assert_eq!(
        uses_of("customers.birth_date", "SELECT extract(year FROM birth_date) FROM customers"),
        ["EXTRACT", "function extract"]
    );
    assert_eq!(uses_of("profiles.seen", "SELECT seen AT TIME ZONE 'UTC' FROM profiles"), ["function timezone"]);
    assert_eq!(uses_of("profiles.tags", "SELECT tags[1] FROM profiles"), ["subscript"]);
    assert_eq!(uses_of("profiles.contact", "SELECT (contact).zip FROM profiles"), ["field selection"]);
    assert_eq!(uses_of("profiles.doc", "SELECT doc ->> 'pin' FROM profiles"), ["operator ->>"]);
    assert_eq!(uses_of("profiles.active", "SELECT NOT active FROM profiles"), ["operator NOT"]);
    assert_eq!(uses_of("profiles.tags", "SELECT t FROM profiles, unnest(tags) t"), ["function unnest"]);
}

#[test]
fn a_clear_column_beside_a_secret_one_stays_plain() {
    for text in [
        "SELECT id, full_name, segment, country FROM customers ORDER BY id",
        "SELECT title, min(hired_on), max(hired_on), count(*) FROM employees GROUP BY title ORDER BY title",
        "SELECT full_name, ssn, birth_date FROM customers WHERE country = 'FR' ORDER BY full_name, id",
        "SELECT c.ssn, o.total FROM customers c JOIN orders o ON o.customer_id = c.id WHERE o.total > 5 ORDER BY o.total LIMIT 5",
    ] {
        for secret in ["ssn", "email", "birth_date", "salary"] {
            assert!(uses(text).iter().all(|used| !used.contains(secret)), "{text}");
        }
    }
}

#[test]
fn a_whole_row_uses_every_column() {
    for text in [
        "SELECT c FROM customers c",
        "SELECT c IS NULL FROM customers c",
        "SELECT count(c) FROM customers c",
        "SELECT row(c.*) FROM customers c",
        "SELECT to_jsonb(c) FROM customers c",
        "SELECT c::text FROM customers c",
        "SELECT customers FROM customers",
        "SELECT id FROM customers c ORDER BY c",
        "SELECT DISTINCT c FROM customers c",
        "SELECT s FROM (SELECT ssn FROM customers) s",
        "SELECT row_to_json(s) FROM (SELECT ssn FROM customers) s",
    ] {
        assert!(uses_of("customers.ssn", text).contains(&"whole row".to_owned()), "{text}: {:?}", uses(text));
    }
    assert_eq!(uses_of("customers.ssn", "SELECT c.ctid FROM customers c"), ["system column ctid"]);
    assert_eq!(uses_of("customers.ssn", "SELECT count(*), max(xmin::text) FROM customers"), [""; 0]);
    assert_eq!(uses_of("customers.ssn", "SELECT * FROM customers TABLESAMPLE SYSTEM (10)"), ["TABLESAMPLE"]);
}

#[test]
fn functional_and_attribute_notation_are_seen_through() {
    assert!(!uses_of("customers.ssn", "SELECT ssn(c) FROM customers c").is_empty());
    assert!(!uses_of("customers.card_number", "SELECT c.tail FROM customers c").is_empty());
    assert_eq!(opaque("SELECT c.tail FROM customers c"), ["function public.tail"]);
    assert_eq!(opaque("SELECT (c).tail FROM customers c"), ["function public.tail"]);
    assert_eq!(opaque("SELECT tail(c) FROM customers c"), ["function public.tail"]);
    assert_eq!(opaque("SELECT c.upper FROM customers c"), ["function public.upper"]);
}

#[test]
fn inside_a_view_a_use_is_named_after_it() {
    assert_eq!(uses_of("customers.credit_limit", "SELECT id FROM rich"), ["view public.rich: WHERE"]);
    assert_eq!(uses_of("customers.birth_date", "SELECT label FROM adults"), ["view public.adults: operator <"]);
    assert!(
        uses_of("customers.birth_date", "SELECT people FROM decade_counts")
            .iter()
            .all(|used| used.starts_with("view public.decade_counts: "))
    );
    // A column that a view computes counts for whoever refers to it.
    assert_eq!(uses_of("customers.birth_date", "SELECT who FROM adults"), [""; 0]);
    assert_eq!(
        uses_of("customers.birth_date", "SELECT who FROM adults WHERE label = 'older'"),
        ["view public.adults: operator <"]
    );
    assert!(!uses_of("customers.birth_date", "SELECT * FROM adults").is_empty());
    assert!(!uses_of("customers.birth_date", "SELECT a FROM adults a").is_empty());
    assert!(!uses_of("customers.birth_date", "SELECT x.l FROM (SELECT who, label AS l FROM adults) x").is_empty());
    assert!(
        !uses_of("customers.birth_date", "SELECT 1 FROM adults a JOIN (SELECT 'older' AS label) b USING (label)")
            .is_empty()
    );
    let statement = one("SELECT id FROM rich");
    let names: Vec<&str> = statement.tables.iter().map(|table| &*table.name).collect();
    assert_eq!(names, ["public.rich", "public.customers"]);
}

#[test]
fn a_generated_column_is_computed_from_its_expression_s_columns() {
    assert_eq!(uses_of("employees.salary", "SELECT name FROM employees WHERE grade > 5"), ["generated column grade"]);
    assert_eq!(uses_of("employees.salary", "SELECT grade + 1 FROM employees"), ["generated column grade"]);
    // As a result it is a column like any other: whoever masks what it is computed from masks it.
    assert_eq!(outputs("SELECT grade FROM employees"), ["grade=employees.grade"]);
    assert_eq!(uses_of("employees.salary", "SELECT name, grade FROM employees"), [""; 0]);
    let salary = shop().relation_in("public", "employees").unwrap().column("salary").unwrap().id;
    assert!(one("SELECT grade FROM employees").reads.contains(&salary));
}

#[test]
fn recursion_uses_what_it_carries() {
    let text = "WITH RECURSIVE r AS (SELECT id, ssn FROM customers WHERE id = 1 UNION ALL SELECT c.id, r.ssn FROM r JOIN customers c ON c.id = r.id + 1) SELECT * FROM r";
    assert!(!uses_of("customers.ssn", text).is_empty());
    assert_eq!(outputs(text), ["id", "ssn"]);
    assert_eq!(
        outputs("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 9) SELECT x FROM n"),
        ["x"]
    );
    // Under RECURSIVE a later CTE hides a table already.
    assert_eq!(
        refused("WITH RECURSIVE a AS (SELECT txt FROM pad), pad AS (SELECT ssn AS txt FROM customers) SELECT * FROM a"),
        "reference to pad before its definition"
    );
}

#[test]
fn correlated_names_reach_outwards() {
    assert_eq!(
        uses_of("customers.ssn", "SELECT (SELECT max(txt) FROM pad WHERE txt = c.ssn) FROM customers c"),
        ["WHERE"]
    );
    assert_eq!(
        uses_of("customers.ssn", "SELECT id FROM customers WHERE EXISTS (SELECT 1 FROM pad WHERE txt = ssn)"),
        ["WHERE"]
    );
    // An inner column hides an outer one.
    assert_eq!(
        uses_of("customers.ssn", "SELECT id FROM customers WHERE EXISTS (SELECT 1 FROM guesses WHERE ssn = 'a')"),
        [""; 0]
    );
}

#[test]
fn positions_are_characters_of_the_whole_text() {
    let statement = one("SELECT 'ä', id FROM customers WHERE ssn = 'x'");
    let position =
        statement.uses.iter().find(|used| &*used.construct == "WHERE").and_then(|used| used.position).unwrap();
    assert_eq!(position.0, 37);
}

#[test]
fn parameters_belong_to_what_they_are_compared_with() {
    let statement = one("SELECT id FROM customers WHERE ssn = $2 AND upper(email) = $1 OR id IN ($3, $4)");
    let id = |name: &str| shop().relation_in("public", "customers").unwrap().column(name).unwrap().id;
    assert_eq!(statement.parameters, [vec![id("email")], vec![id("ssn")], vec![id("id")], vec![id("id")]]);
}

#[test]
fn forms_beside_the_parser_s_own_use_what_they_read() {
    for text in [
        "SELECT id FROM customers WHERE ssn OPERATOR(pg_catalog.=) ANY (ARRAY['a', 'b'])",
        "SELECT id FROM customers WHERE 'a' OPERATOR(pg_catalog.=) ANY (ARRAY[ssn])",
        "SELECT id FROM customers WHERE 'a' OPERATOR(pg_catalog.<>) ALL (SELECT ssn FROM customers)",
        "SELECT id FROM customers WHERE ssn LIKE ANY (ARRAY['9%'])",
        "SELECT id FROM customers WHERE '9' ILIKE ALL (ARRAY[ssn])",
        "SELECT id FROM customers WHERE ssn BETWEEN SYMMETRIC '9' AND '1'",
        "SELECT concat(VARIADIC ARRAY[ssn]) FROM customers",
        "SELECT count(ssn) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW) FROM customers",
        "SELECT x FROM customers, LATERAL ROWS FROM (unnest(ARRAY[ssn]), generate_series(1, 2)) AS t (x, y)",
    ] {
        assert!(!uses_of("customers.ssn", text).is_empty(), "{text}");
    }
    for text in [
        "SELECT id FROM customers WHERE id OPERATOR(pg_catalog.=) ANY (ARRAY[1, 2])",
        "SELECT a, b FROM ROWS FROM (generate_series(1, 3), generate_series(1, 2)) AS t (a, b)",
        "SELECT concat(VARIADIC ARRAY[full_name, 'x']), num_nonnulls(VARIADIC ARRAY[id]) FROM customers",
        "SELECT sum(id) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE GROUP) FROM customers",
        "UPDATE orders SET status = 'x' WHERE CURRENT OF c",
        "DELETE FROM orders WHERE CURRENT OF c RETURNING id",
    ] {
        let statement = one(text);
        assert!(statement.unanalysed.is_none() && statement.opaque.is_empty(), "{text}: {statement:?}");
        assert!(uses_of("customers.ssn", text).is_empty(), "{text}");
    }
    assert!(one("DELETE FROM orders WHERE CURRENT OF c").effects.iter().all(|effect| effect.bounded));
    // Where the name that stands for a form is not expected, nothing is understood.
    for text in [
        "SELECT 1 FROM orders WHERE CURRENT OF c",
        "SELECT id FROM orders WHERE id @> ANY (1, 2)",
        "SELECT 1 + @ ANY (ARRAY[1])",
    ] {
        assert!(one(text).unanalysed.is_some(), "{text}");
    }
}
