use super::*;

#[test]
fn an_alias_hides_nothing() {
    assert_eq!(outputs("SELECT id, ssn AS x FROM customers"), ["id=customers.id", "x=customers.ssn"]);
    assert_eq!(
        outputs("SELECT \"ssn\", EMAIL FROM PUBLIC.\"customers\""),
        ["ssn=customers.ssn", "email=customers.email"]
    );
    assert_eq!(
        outputs("SELECT customers.ssn, public.customers.email FROM customers"),
        ["ssn=customers.ssn", "email=customers.email"]
    );
    assert_eq!(outputs("SELECT shop_a.public.customers.email FROM shop_a.public.customers"), ["email=customers.email"]);
    assert_eq!(outputs("SELECT (((ssn))) FROM customers"), ["ssn=customers.ssn"]);
    assert!(uses("SELECT (((ssn))) FROM customers ORDER BY id LIMIT 3").iter().all(|used| !used.contains("ssn")));
}

#[test]
fn star_gives_every_column_in_order() {
    let all = outputs("SELECT * FROM payments");
    assert_eq!(
        all,
        [
            "id=payments.id",
            "order_id=payments.order_id",
            "card_number=payments.card_number",
            "amount=payments.amount",
            "paid_at=payments.paid_at"
        ]
    );
    assert_eq!(outputs("SELECT p.* FROM payments p"), all);
    assert_eq!(outputs("TABLE payments"), all);
    assert_eq!(outputs("(SELECT * FROM payments)"), all);
    assert_eq!(outputs("SELECT payments.* FROM public.payments"), all);
    assert_eq!(outputs("SELECT public.payments.* FROM public.payments"), all);
}

#[test]
fn derived_tables_and_ctes_pass_columns_through() {
    assert_eq!(outputs("SELECT s.y FROM (SELECT ssn AS x, id FROM customers) s(y, z)"), ["y=customers.ssn"]);
    assert_eq!(
        outputs("WITH a AS (SELECT ssn FROM customers), b(q) AS (SELECT * FROM a) SELECT q FROM b"),
        ["q=customers.ssn"]
    );
    assert_eq!(
        outputs("WITH customers AS (SELECT name FROM products) SELECT * FROM customers"),
        ["name=products.name"]
    );
    assert_eq!(outputs("WITH customers AS (SELECT name FROM products) SELECT * FROM public.customers").len(), 12);
    assert_eq!(
        outputs("SELECT (SELECT 1), x FROM (SELECT email FROM customers) AS t(x)"),
        ["?column?", "x=customers.email"]
    );
    assert_eq!(
        outputs(
            "SELECT l.email FROM orders o CROSS JOIN LATERAL (SELECT email FROM customers c WHERE c.id = o.customer_id) l"
        ),
        ["email=customers.email"]
    );
}

#[test]
fn joins_keep_columns_and_mark_the_side_that_may_be_missing() {
    assert_eq!(
        outputs("SELECT o.id, c.email FROM orders o LEFT JOIN customers c ON c.id = o.customer_id"),
        ["id=orders.id", "email=customers.email?"]
    );
    assert_eq!(
        outputs("SELECT c.email FROM orders o RIGHT JOIN customers c ON c.id = o.customer_id"),
        ["email=customers.email"]
    );
    assert_eq!(
        outputs("SELECT c.email FROM orders o FULL JOIN customers c ON c.id = o.customer_id"),
        ["email=customers.email?"]
    );
    assert_eq!(
        outputs("SELECT * FROM (SELECT id, txt FROM pad) a JOIN (SELECT id, body FROM archive) b USING (id)"),
        ["id=pad.id", "txt=pad.txt", "body=archive.body"]
    );
    assert_eq!(outputs("SELECT x.* FROM pad JOIN archive USING (id) AS x"), ["id=pad.id"]);
    assert_eq!(outputs("SELECT j.email FROM (orders o JOIN customers c ON true) AS j"), ["email=customers.email"]);
    assert_eq!(
        outputs("SELECT email FROM orders o LEFT JOIN (customers c JOIN payments p ON p.id = c.id) ON true"),
        ["email=customers.email?"]
    );
}

#[test]
fn views_pass_columns_through() {
    assert_eq!(
        outputs("SELECT * FROM customer_contacts"),
        ["id=customers.id", "full_name=customers.full_name", "email=customers.email", "phone=customers.phone"]
    );
    assert_eq!(outputs("SELECT contact FROM vip"), ["contact=customers.email"]);
    assert_eq!(outputs("SELECT segment FROM staff.customers"), ["segment=customers.ssn"]);
    assert_eq!(outputs("SELECT ref FROM mv_customers"), ["ref=customers.ssn"]);
    let staff = Settings { search_path: vec!["staff".to_owned(), "public".to_owned()], ..settings() };
    let statement = under("SELECT segment FROM customers", &staff);
    let ssn = shop().relation_in("public", "customers").unwrap().column("ssn").unwrap().id;
    assert_eq!(statement.outputs.unwrap()[0].origin, Origin::Column { column: ssn, nullable_side: false });
}

#[test]
fn a_partition_gives_its_own_columns() {
    assert_eq!(outputs("SELECT mrn FROM patients_low"), ["mrn=patients_low.mrn"]);
    assert_eq!(outputs("SELECT mrn FROM ONLY contractors_eu, patients"), ["mrn=patients.mrn"]);
}

#[test]
fn a_field_of_a_whole_row_is_its_column() {
    assert_eq!(outputs("SELECT (c).ssn FROM customers c"), ["ssn=customers.ssn"]);
}

#[test]
fn a_cast_to_a_column_s_own_type_is_no_use() {
    assert_eq!(outputs("SELECT ssn::text FROM customers"), ["ssn=customers.ssn"]);
    assert_eq!(outputs("SELECT CAST(birth_date AS date) FROM customers"), ["birth_date=customers.birth_date"]);
    assert_eq!(
        outputs("SELECT ssn::varchar, credit_limit::numeric(4,1), id::text::int FROM customers"),
        ["ssn", "credit_limit", "id"]
    );
}

#[test]
fn exists_reads_no_column_of_its_list() {
    assert!(
        uses("SELECT id FROM orders o WHERE EXISTS (SELECT * FROM customers c WHERE c.id = o.customer_id)")
            .iter()
            .all(|used| !used.contains("ssn"))
    );
}

#[test]
fn a_temporary_table_hides_a_permanent_one() {
    let settings = Settings { temporary: vec!["customers".to_owned()], ..settings() };
    let statement = under("SELECT ssn, other FROM customers", &settings);
    // It may be gone again (a rollback), so a column that the permanent one has counts as its.
    let ssn = shop().relation_in("public", "customers").unwrap().column("ssn").unwrap().id;
    let origins: Vec<&Origin> = statement.outputs.iter().flatten().map(|output| &output.origin).collect();
    assert_eq!(origins, [&Origin::Column { column: ssn, nullable_side: false }, &Origin::Computed]);
    let statement = under("SELECT * FROM customers", &settings);
    assert!(statement.outputs.is_none() && statement.uses.iter().any(|used| used.column == ssn));
    let settings = Settings { temporary: vec!["notes".to_owned()], ..settings };
    assert!(under("SELECT a, b FROM notes WHERE c > 1", &settings).unanalysed.is_none());
    assert!(under("SELECT * FROM pg_temp.notes", &settings).outputs.is_none());
    let mixed = under("SELECT n.*, c.ssn FROM notes n, customers c", &settings);
    assert!(mixed.uses.iter().any(|used| used.column == ssn && &*used.construct == "* of a temporary table"));
}

#[test]
fn what_is_not_there_is_refused_by_name() {
    assert_eq!(refused("SELECT 1 FROM nowhere"), "relation \"nowhere\"");
    assert_eq!(refused("SELECT nothing FROM customers"), "column \"nothing\"");
    assert_eq!(refused("SELECT no_such_function(1)"), "function no_such_function");
    assert_eq!(refused("SELECT id FROM customers, orders"), "column \"id\"");
    assert_eq!(refused("SELECT 'x'::no_such_type"), "type no_such_type, which is not known");
    assert_eq!(refused("SELECT x.id FROM customers c"), "\"x\", which is not in FROM");
    assert_eq!(refused("SELECT customers.id FROM customers c"), "\"customers\", which is not in FROM");
}
