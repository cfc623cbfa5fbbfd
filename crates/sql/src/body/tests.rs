use querygate_record::Effect;
use serde_json::{Value as Json, json};

use super::*;
use crate::{analyse, catalog::Catalog, statement::Statement};

/// The example catalog with functions in SQL more, each of one `int`: names and bodies.
fn catalog(functions: &[(String, String)]) -> Catalog {
    let mut document: Json = serde_json::from_slice(include_bytes!("../../tests/data/shop_catalog.json")).unwrap();
    let all = document["functions"].as_array_mut().unwrap();
    let model = all.iter().find(|f| f["name"] == "order_total").unwrap().clone();
    for (at, (name, body)) in functions.iter().enumerate() {
        let mut function = model.clone();
        function["oid"] = json!(90_000 + at);
        function["name"] = json!(name);
        function["names"] = json!(["n"]);
        function["body"] = json!(body);
        all.push(function);
    }
    Catalog::from_json(document.to_string().as_bytes()).unwrap()
}

fn functions(each: impl IntoIterator<Item = (usize, String)>) -> Vec<(String, String)> {
    each.into_iter().map(|(at, body)| (format!("f{at}"), body)).collect()
}

fn settled(text: &str, catalog: &Catalog) -> Statement {
    let settings = Settings { search_path: vec!["public".to_owned()], user: "svc".to_owned(), temporary: Vec::new() };
    let mut statements = analyse(text, catalog, &settings, &Limits::default());
    statements.iter_mut().for_each(|statement| statement.settle(&|_| false));
    statements.remove(0)
}

fn is_called(statement: &Statement) -> bool {
    statement.unanalysed.is_some() || statement.effects.iter().any(|on| on.effect == Effect::Call)
}

#[test]
fn what_a_body_reads_is_read_by_the_statement() {
    let catalog = catalog(&functions([(0, "SELECT ssn FROM public.customers WHERE id = n".to_owned())]));
    let statement = settled("SELECT f0(1)", &catalog);
    let customers = catalog.relation_in("public", "customers").unwrap();
    let ssn = customers.column("ssn").unwrap().id;
    assert!(!is_called(&statement));
    assert!(statement.tables.iter().any(|table| table.relation == customers.oid));
    assert!(statement.reads.contains(&ssn) && statement.uses.iter().any(|used| used.column == ssn));
    assert!(statement.effects.iter().any(|on| on.effect == Effect::Read && on.columns.contains(&"ssn".into())));
    assert!(statement.by_body);
}

#[test]
fn a_trusted_function_is_a_call_and_its_body_does_not_count() {
    let catalog = catalog(&functions([(0, "SELECT ssn FROM public.customers WHERE id = n".to_owned())]));
    let settings = Settings { search_path: vec!["public".to_owned()], user: "svc".to_owned(), temporary: Vec::new() };
    let mut statements = analyse("SELECT f0(1)", &catalog, &settings, &Limits::default());
    statements[0].settle(&|function| function == "public.f0");
    assert!(is_called(&statements[0]) && statements[0].uses.is_empty() && statements[0].tables.is_empty());
    assert_eq!(&*statements[0].opaque[0].object, "public.f0");
}

#[test]
fn calls_are_followed_to_a_limit_of_depth() {
    let chain = |length: usize| {
        let inner = (0..length).map(|at| (at, format!("SELECT public.f{}(n)", at + 1)));
        catalog(&functions(inner.chain([(length, "SELECT n".to_owned())])))
    };
    assert!(!is_called(&settled("SELECT f0(1)", &chain(DEPTH_MAX - 1))));
    assert!(is_called(&settled("SELECT f0(1)", &chain(DEPTH_MAX))));
}

#[test]
fn bodies_are_looked_at_to_a_limit_of_number() {
    let many = catalog(&functions((0..=BODIES_MAX).map(|at| (at, "SELECT n".to_owned()))));
    let text = |count: usize| {
        let calls: Vec<String> = (0..count).map(|at| format!("f{at}(1)")).collect();
        format!("SELECT {}", calls.join(", "))
    };
    assert!(!is_called(&settled(&text(BODIES_MAX), &many)));
    assert!(is_called(&settled(&text(BODIES_MAX + 1), &many)));
    // The same function counts once.
    let often = vec!["f0(1)"; BODIES_MAX + 1].join(", ");
    assert!(!is_called(&settled(&format!("SELECT {often}"), &many)));
}

#[test]
fn calls_that_double_at_each_level_end() {
    let doubling = (0..40).map(|at| (at, format!("SELECT public.f{0}(n) + public.f{0}(n + 1)", at + 1)));
    let catalog = catalog(&functions(doubling.chain([(40, "SELECT n".to_owned())])));
    assert!(is_called(&settled("SELECT f0(1)", &catalog)));
    let around =
        [(0, "SELECT public.f1(n) + public.f1(2)".to_owned()), (1, "SELECT public.f0(n) + public.f0(3)".to_owned())];
    assert!(is_called(&settled("SELECT f0(1)", &self::catalog(&functions(around)))));
}

#[test]
fn what_is_not_a_select_that_only_reads_is_user_code() {
    for body in [
        "DELETE FROM public.orders",
        "SELECT 1; DELETE FROM public.orders",
        "SELECT nextval('s')",
        "SELECT pg_read_file('x')",
        "SELECT set_config('search_path', 'x', false)",
        "SELECT * INTO made FROM public.orders",
        "SELECT nothing FROM public.orders",
        "SELECT (",
        "COMMIT",
    ] {
        let catalog = catalog(&functions([(0, body.to_owned())]));
        assert!(is_called(&settled("SELECT f0(1)", &catalog)), "{body}");
    }
}
