use super::*;
use querygate_record::Effect;

fn trusted_objects(text: &str) -> Vec<String> {
    one(text).opaque.iter().map(|opaque| opaque.object.to_string()).collect()
}

#[test]
fn user_code_is_named_with_what_policy_may_trust() {
    for (text, object) in [
        ("SELECT cust_ssn(1)", "public.cust_ssn"),
        ("SELECT id, secret_len(id) FROM pad", "public.secret_len"),
        ("SELECT * FROM all_customers()", "public.all_customers"),
        ("SELECT who FROM directory()", "public.directory"),
        ("SELECT public.atomic_mail(1)", "public.atomic_mail"),
        ("SELECT 1 >>> 2", "public.richer"),
        ("SELECT 1 OPERATOR(public.>>>) 2", "public.richer"),
        ("SELECT ROW(3)::cust_ref::text", "public.ref_text"),
        ("SELECT CAST(ROW(3)::cust_ref AS text)", "public.ref_text"),
        ("SELECT '' || ROW(3)::cust_ref", "public.ref_text"),
        ("SELECT quote_literal(ROW(3)::cust_ref)", "public.ref_text"),
        ("SELECT gather(id) FROM pad", "public.gather"),
        ("SELECT 5::big_spender", "public.known_limit"),
        ("SELECT big_spender '5'", "public.known_limit"),
        ("SELECT '{5}'::big_spender[]", "public.known_limit"),
        ("SELECT upper(c) FROM customers c", "public.upper"),
        ("SELECT upper(ROW(1)::customers)", "public.upper"),
        ("SELECT staff.lower('a')", "staff.lower"),
        ("SELECT id FROM pad ORDER BY cust_ssn(id)", "public.cust_ssn"),
        ("SELECT order_total(1)", "public.order_total"),
        ("SELECT gather(id) OVER () FROM pad", "public.gather"),
    ] {
        assert_eq!(trusted_objects(text), [object], "{text}");
        assert!(
            one(text).effects.iter().any(|effect| effect.effect == Effect::Call && &*effect.object == object),
            "{text}"
        );
    }
    // A prefix operator outside the parser's own is not understood at all.
    refused("SELECT @@@ 3");
    refused("SELECT OPERATOR(public.@@@) 3");
}

#[test]
fn a_user_s_overload_that_can_t_take_the_argument_doesn_t_count() {
    for text in [
        "SELECT upper(full_name) FROM customers",
        "SELECT upper('abc')",
        "SELECT typname[0] = '_' FROM pg_type",
        "SELECT upper($1)",
        "SELECT current_schema, pg_catalog.set_config('search_path', '', false)",
        "SELECT id FROM orders WHERE (status, customer_id) IN (SELECT status, customer_id FROM orders)",
        "SELECT upper(full_name || 'x') FROM customers",
        "SELECT upper(max(full_name)) FROM customers",
        "SELECT upper(coalesce(full_name, 'x')) FROM customers",
        "SELECT lower(full_name) FROM customers",
        "SELECT 1 + 2, 'a' || 'b', now() - interval '1 day'",
        "SELECT 5::text, orders.id::text, full_name::varchar, total::text FROM customers, orders",
    ] {
        assert!(opaque(text).is_empty(), "{text}: {:?}", opaque(text));
    }
    let staff = Settings { search_path: vec!["staff".to_owned(), "public".to_owned()], ..settings() };
    assert!(under("SELECT lower(full_name) FROM public.customers", &staff).opaque.is_empty());
    let staff = Settings { search_path: vec!["staff".to_owned(), "pg_catalog".to_owned()], ..settings() };
    assert_eq!(under("SELECT lower(full_name) FROM public.customers", &staff).opaque.len(), 1);
}

#[test]
fn what_the_server_s_own_functions_reach_is_known() {
    assert!(
        opaque(
            "SELECT count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY total), array_agg(id ORDER BY id) FROM orders"
        )
        .is_empty()
    );
    assert!(opaque("SELECT jsonb_agg(to_jsonb(p) ORDER BY id) FROM products p").is_empty());
    assert!(opaque("SELECT g, g * 2 FROM generate_series(1, 3) g").is_empty());
    assert!(opaque("SELECT key, value FROM jsonb_each('{}'::jsonb)").is_empty());
    assert_eq!(opaque("SELECT pg_read_file('/etc/passwd')"), ["function pg_catalog.pg_read_file"]);
    assert_eq!(opaque("SELECT query_to_xml('select 1', true, true, '')"), ["function pg_catalog.query_to_xml"]);
    assert_eq!(opaque("SELECT * FROM pg_stats"), ["system relation pg_catalog.pg_stats"]);
    assert_eq!(
        opaque("SELECT reltuples FROM pg_class"),
        ["system column pg_catalog.pg_class"].map(|s| format!("{s}.reltuples"))
    );
    assert!(opaque("SELECT relname FROM pg_class").is_empty());
    assert!(opaque("SELECT current_setting('search_path'), current_user, current_date").is_empty());
    assert_eq!(opaque("SELECT set_config('search_path', 'staff', false) FROM pad"), ["function pg_catalog.set_config"]);
    assert_eq!(opaque("SELECT set_config('search_path' || '', 'staff', false)"), ["function pg_catalog.set_config"]);
}

#[test]
fn a_setting_that_the_condition_names_is_named_and_no_other() {
    let set = "SELECT set_config(name, 'view', false) FROM pg_settings";
    let named = format!("{set} WHERE name = 'restrict_nonsystem_relation_kind'");
    assert!(opaque(&named).is_empty());
    let effects: Vec<_> = one(&named).effects.iter().map(|held| (held.effect, held.object.to_string())).collect();
    assert!(effects.contains(&(Effect::Session, "restrict_nonsystem_relation_kind".to_owned())), "{effects:?}");
    let role = one("SELECT set_config(name, 'admin', false) FROM pg_catalog.pg_settings WHERE name = 'role'");
    assert!(role.effects.iter().any(|held| held.effect == Effect::Privilege), "{:?}", role.effects);
    for text in [
        set.to_owned(),
        format!("{set} WHERE name <> 'work_mem'"),
        format!("{set} WHERE name = 'work_mem' OR true"),
        format!("{set} WHERE name = lower('WORK_MEM')"),
        format!("{set} WHERE setting = 'work_mem'"),
        "SELECT set_config(setting, 'x', false) FROM pg_settings WHERE name = 'work_mem'".to_owned(),
        "SELECT set_config(s.name, 'x', false) FROM pg_settings s, pad WHERE name = 'work_mem'".to_owned(),
        "SELECT 1 FROM pg_settings WHERE set_config(name, 'x', false) = 'x' AND name = 'work_mem'".to_owned(),
        format!("SELECT ({set} LIMIT 1) FROM pg_settings WHERE name = 'work_mem'"),
        "SELECT (SELECT 1 FROM pg_settings t WHERE set_config(t.name, 'x', false) = 'x') FROM pg_settings WHERE name = 'work_mem'"
            .to_owned(),
        "SELECT (SELECT count(*) FROM pg_settings WHERE name = 'work_mem'), set_config(name, 'x', false) FROM pg_settings".to_owned(),
        "SELECT set_config(name, 'x', false) FROM (SELECT id::text AS name FROM pad) pg_settings WHERE name = 'work_mem'".to_owned(),
    ] {
        assert!(!opaque(&text).is_empty(), "{text}");
    }
    let late = Settings { search_path: vec!["public".to_owned(), "pg_catalog".to_owned()], ..settings() };
    assert!(!under(&named, &late).opaque.is_empty());
    let own = Settings { temporary: vec!["pg_settings".to_owned()], ..settings() };
    assert!(!under(&named, &own).opaque.is_empty());
}

#[test]
fn keys_of_json_object_are_computed() {
    assert!(!uses_of("customers.ssn", "SELECT json_build_object(ssn, 1) FROM customers").is_empty());
    let statement = one("SELECT json_object(ssn : 1) FROM customers");
    assert!(statement.unanalysed.is_some() || !shown_uses(&statement, "").is_empty());
    let statement = one("SELECT json_object(ssn VALUE 1) FROM customers");
    assert!(statement.unanalysed.is_some() || !shown_uses(&statement, "").is_empty());
    assert!(opaque("SELECT make_interval(days => 3), make_interval(hours := id) FROM pad").is_empty());
}

#[test]
fn what_would_grow_without_end_is_refused() {
    let mut text = "SELECT * FROM customers".to_owned();
    for _ in 0..20 {
        text = format!("SELECT *, * FROM ({text}) t");
    }
    assert_eq!(refused(&text), "select list of too many columns");
    let many = vec!["generate_series(1, 2)"; 5_000].join(", ");
    assert_eq!(refused(&format!("SELECT 1 FROM {many}")), "FROM of too many tables");
}

#[test]
fn functions_in_from_give_their_columns() {
    assert_eq!(outputs("SELECT * FROM generate_series(1, 3) AS g(n)"), ["n"]);
    assert_eq!(outputs("SELECT * FROM generate_series(1, 3) WITH ORDINALITY"), ["generate_series", "ordinality"]);
    assert_eq!(outputs("SELECT * FROM directory()"), ["who", "reach"]);
    assert_eq!(outputs("SELECT email FROM all_customers()"), ["email"]);
    assert_eq!(outputs("SELECT * FROM unnest(ARRAY[1,2]) WITH ORDINALITY AS t(a, b)"), ["a", "b"]);
    assert_eq!(outputs("SELECT a FROM json_to_recordset('[]') AS x(a int, b text)"), ["a"]);
    assert_eq!(outputs("SELECT word FROM pg_get_keywords()"), ["word"]);
}
