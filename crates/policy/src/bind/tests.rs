use querygate_mask::Masker;
use querygate_record::Verdict;
use querygate_sql::{catalog::Catalog, statement::ColumnId};

use super::*;
use crate::testing::*;

fn masker(bound: &Bound, roles: &[&str], column: ColumnId) -> Option<Masker> {
    bound.view(&with_roles(roles)).mask(column).map(|m| m.masker().clone())
}

fn agent(bound: &Bound, table: &str, name: &str) -> Option<Masker> {
    masker(bound, &["agent"], column(table, name))
}

fn problems(lines: &str) -> String {
    bound(lines).problems().to_string()
}

/// The catalog of the tests after a change, as the snapshot would show it.
fn changed(change: impl Fn(&str) -> String) -> Arc<Catalog> {
    let json = include_str!("../../../sql/tests/data/shop_catalog.json");
    let changed = change(json);
    assert_ne!(json, changed, "the change must hit something");
    Arc::new(Catalog::from_json(changed.as_bytes()).unwrap())
}

#[test]
fn columns_that_no_line_names_are_redacted_where_others_are_named() {
    let bound = bound("[table.\"public.customers\"]\nclear = ['id']\nmask.email = 'email'\n");
    assert_eq!(agent(&bound, "public.customers", "id"), None);
    assert_eq!(agent(&bound, "public.customers", "email"), Some(Masker::Email));
    assert_eq!(agent(&bound, "public.customers", "country"), Some(Masker::Redact));
    assert_eq!(agent(&bound, "public.orders", "note"), None);
}

#[test]
fn unlisted_says_what_such_columns_are_for_a_file_or_a_table() {
    let file = bound("unlisted = 'clear'\n[table.\"public.customers\"]\nmask.email = 'email'\n");
    assert_eq!(agent(&file, "public.customers", "country"), None);
    let table = bound("unlisted = 'clear'\n[table.\"public.customers\"]\nunlisted = 'redact'\nmask.email = 'email'\n");
    assert_eq!(agent(&table, "public.customers", "country"), Some(Masker::Redact));
    let refuse = bound("[table.\"public.customers\"]\nunlisted = 'refuse'\nclear = ['id']\n");
    assert_eq!(decide(&refuse, &select("public.customers", &["id"]), &["agent"]).verdict, Verdict::Allow);
    let refused = decide(&refuse, &select("public.customers", &["id", "country"]), &["agent"]);
    assert_eq!(refused.refusal.unwrap().message, "blocked by policy: column customers.country may not be read");
}

#[test]
fn a_column_added_later_is_no_hole() {
    let policy = policy("[table.\"public.pad\"]\nclear = ['id']\nmask.txt = 'redact'\n");
    let bound = policy.bind(&catalog(), Mode::default(), None);
    assert_eq!(agent(&bound, "public.pad", "num"), Some(Masker::Redact));
}

#[test]
fn tables_without_a_section_are_what_the_file_says() {
    let section = "[table.\"public.customers\"]\nmask.email = 'email'\nclear_for = ['dba']\n";
    let redact = bound(&format!("unlisted_tables = 'redact'\n{section}"));
    assert_eq!(agent(&redact, "public.orders", "note"), Some(Masker::Redact));
    assert_eq!(masker(&redact, &["dba"], column("public.orders", "note")), Some(Masker::Redact));
    let cleared = bound(&format!("clear_for = ['dba']\nunlisted_tables = 'redact'\n{section}"));
    assert_eq!(masker(&cleared, &["dba"], column("public.orders", "note")), None);
    let refuse = bound(&format!("unlisted_tables = 'refuse'\n{section}"));
    let refused = decide(&refuse, &select("public.orders", &["id"]), &["agent"]);
    assert_eq!((refused.verdict, &*refused.rule), (Verdict::Block, "table: public.orders"));
    assert_eq!(decide(&refuse, &select("pg_catalog.pg_class", &["relname"]), &["agent"]).verdict, Verdict::Allow);
    assert!(redact.unlisted_tables().contains(&"public.orders".into()));
    assert!(!redact.unlisted_tables().contains(&"public.customers".into()));
}

#[test]
fn clear_for_is_a_union_over_roles() {
    let bound = bound("[table.\"public.customers\"]\nmask.email = 'email'\nclear_for = ['dba', 'support']\n");
    let email = column("public.customers", "email");
    assert_eq!(masker(&bound, &["agent", "support"], email), None);
    assert_eq!(masker(&bound, &[], email), Some(Masker::Email));
}

#[test]
fn partitions_and_children_have_the_masks_of_their_parents() {
    let lines = "unlisted = 'clear'\n[table.\"public.patients\"]\nmask.mrn = { keep_last = 2 }\n\
                 [table.\"public.contractors\"]\nmask.tax_id = 'redact'\n";
    let bound = bound(lines);
    assert_eq!(agent(&bound, "public.patients_low", "mrn"), Some(Masker::KeepLast(2)));
    assert_eq!(agent(&bound, "public.contractors_eu", "tax_id"), Some(Masker::Redact));
    assert_eq!(agent(&bound, "public.contractors_eu", "vat_country"), None);
}

#[test]
fn a_childs_own_column_counts_as_unlisted_of_its_parents_section() {
    let bound = bound("[table.\"public.contractors\"]\nclear = ['id', 'name']\nmask.tax_id = 'redact'\n");
    assert_eq!(agent(&bound, "public.contractors_eu", "vat_country"), Some(Masker::Redact));
    assert_eq!(agent(&bound, "public.contractors_eu", "name"), None);
}

#[test]
fn a_parent_shows_its_childrens_values_and_so_has_their_masks() {
    let bound = bound("[table.\"public.contractors_eu\"]\nunlisted = 'clear'\nmask.tax_id = 'redact'\n");
    assert_eq!(agent(&bound, "public.contractors", "tax_id"), Some(Masker::Redact));
}

#[test]
fn a_childs_own_mask_goes_before_an_inherited_one_but_clear_does_not() {
    let lines = "unlisted = 'clear'\n[table.\"public.contractors\"]\nmask.tax_id = 'redact'\n[table.\"public.contractors_eu\"]\n";
    let own = bound(&format!("{lines}mask.tax_id = {{ keep_last = 2 }}\n"));
    assert_eq!(agent(&own, "public.contractors_eu", "tax_id"), Some(Masker::KeepLast(2)));
    assert_eq!(agent(&own, "public.contractors", "tax_id"), Some(Masker::Redact));
    let clear = bound(&format!("{lines}clear = ['tax_id']\n"));
    assert_eq!(agent(&clear, "public.contractors_eu", "tax_id"), Some(Masker::Redact));
    assert!(
        clear
            .problems()
            .to_string()
            .contains("contractors_eu.tax_id is listed as clear, but shows values of a masked column")
    );
}

#[test]
fn who_sees_a_parent_in_clear_sees_its_children_in_clear_unless_they_say_otherwise() {
    let parent =
        "unlisted = 'clear'\n[table.\"public.contractors\"]\nmask.tax_id = 'redact'\nclear_for = ['dba', 'tax']\n";
    let tax_id = column("public.contractors_eu", "tax_id");
    assert_eq!(masker(&bound(parent), &["tax"], tax_id), None);
    let child = format!("{parent}[table.\"public.contractors_eu\"]\nmask.tax_id = 'redact'\nclear_for = ['dba']\n");
    assert_eq!(masker(&bound(&child), &["tax"], tax_id), Some(Masker::Redact));
    assert_eq!(masker(&bound(&child), &["dba"], tax_id), None);
}

#[test]
fn generated_columns_of_masked_ones_are_redacted() {
    let bound = bound("[table.\"public.employees\"]\nunlisted = 'clear'\nmask.salary = 'redact'\n");
    let grade = column("public.employees", "grade");
    assert!(bound.view(&with_roles(&["agent"])).masked_columns().contains(grade.table, grade.attribute));
    assert!(bound.is_masked_from_somebody(grade));
    assert_eq!(masker(&bound, &["agent"], grade), Some(Masker::Redact));
    assert_eq!(decide(&bound, &select("public.employees", &["grade"]), &["agent"]).verdict, Verdict::Allow);
}

#[test]
fn a_misspelt_column_refuses_its_table_to_masked_roles_and_is_pointed_out() {
    let lines = "[table.\"public.customers\"]\nunlisted = 'clear'\nmask.emial = 'email'\nclear_for = ['dba']\n";
    assert_eq!(
        problems(lines),
        "shop.toml:5:6: error: table public.customers has no column \"emial\"; did you mean \"email\"? \
         Until then the table is refused to those who don't see it in clear"
    );
    let bound = bound(lines);
    assert_eq!(decide(&bound, &select("public.customers", &["id"]), &["agent"]).verdict, Verdict::Block);
    assert_eq!(decide(&bound, &select("public.customers", &["id"]), &["dba"]).verdict, Verdict::Allow);
    assert_eq!(decide(&bound, &select("public.orders", &["id"]), &["agent"]).verdict, Verdict::Allow);
}

#[test]
fn a_table_that_does_not_exist_is_pointed_out() {
    let found = problems("[table.\"public.custommers\"]\nmask.email = 'email'\n");
    let expected =
        "shop.toml:3:8: error: table public.custommers does not exist; did you mean [table.\"public.customers\"]?";
    assert_eq!(found, expected);
}

#[test]
fn a_renamed_column_keeps_its_mask_and_its_table_is_refused_until_the_policy_follows() {
    let policy = policy("[table.\"public.customers\"]\nunlisted = 'clear'\nmask.ssn = 'redact'\n");
    let before = policy.bind(&catalog(), Mode::default(), None);
    let renamed = changed(|json| json.replacen("\"ssn\", 25, -1, false", "\"social\", 25, -1, false", 1));
    let after = policy.bind(&renamed, Mode::default(), Some(&before));
    assert_eq!(agent(&after, "public.customers", "ssn"), Some(Masker::Redact));
    assert_eq!(decide(&after, &select("public.customers", &["id"]), &["agent"]).verdict, Verdict::Block);
    let later = policy.bind(&renamed, Mode::default(), Some(&after));
    assert_eq!(agent(&later, "public.customers", "ssn"), Some(Masker::Redact), "however often it is bound");
}

#[test]
fn a_table_that_was_renamed_keeps_its_masks_or_is_at_least_refused() {
    let policy = policy(
        "[table.\"public.customers\"]\nunlisted = 'clear'\nmask.ssn = 'redact'\nmask.email = 'email'\nclear_for = ['dba']\n",
    );
    let before = policy.bind(&catalog(), Mode::default(), None);
    let named = "{\"oid\" : 16702, \"schema\" : 2200, \"name\" : \"customers\", \"kind\" : \"r\"";
    let renamed = changed(|json| json.replacen(named, &named.replace("customers", "clients"), 1));
    let all = select("public.customers", &["id", "ssn"]);
    let followed = policy.bind(&renamed, Mode::default(), Some(&before));
    assert_eq!(agent(&followed, "public.customers", "ssn"), Some(Masker::Redact), "it was seen under its old name");
    for bound in [followed, policy.bind(&renamed, Mode::default(), None)] {
        assert_eq!(decide(&bound, &all, &["agent"]).verdict, Verdict::Block);
        assert_eq!(decide(&bound, &all, &["dba"]).verdict, Verdict::Allow);
        assert_eq!(decide(&bound, &select("public.orders", &["id"]), &["agent"]).verdict, Verdict::Allow);
    }
}

#[test]
fn a_table_that_takes_the_name_of_a_masked_one_leaves_that_one_masked_and_refused() {
    let policy = policy(
        "[table.\"public.customers\"]\nunlisted = 'clear'\nmask.ssn = 'redact'\nmask.email = 'email'\nclear_for = ['dba']\n",
    );
    let before = policy.bind(&catalog(), Mode::default(), None);
    let named = "{\"oid\" : 16702, \"schema\" : 2200, \"name\" : \"customers\", \"kind\" : \"r\"";
    let other = "\"schema\" : 2200, \"name\" : \"orders\", \"kind\" : \"r\"";
    let taken = changed(|json| {
        let renamed = json.replacen(named, &named.replace("customers", "clients"), 1);
        renamed.replacen(other, &other.replace("orders", "customers"), 1)
    });
    let once = policy.bind(&taken, Mode::default(), Some(&before));
    let twice = policy.bind(&taken, Mode::default(), Some(&once));
    for bound in [once, twice] {
        assert_eq!(agent(&bound, "public.customers", "ssn"), Some(Masker::Redact), "it is known by what it was");
        assert_eq!(decide(&bound, &select("public.customers", &["id"]), &["agent"]).verdict, Verdict::Block);
        assert_eq!(decide(&bound, &select("public.customers", &["ssn"]), &["dba"]).verdict, Verdict::Allow);
    }
}

#[test]
fn a_masker_that_a_type_cannot_carry_is_an_error_and_the_column_is_refused() {
    let lines = "[table.\"public.customers\"]\nunlisted = 'clear'\nmask.birth_date = 'email'\n";
    let found = problems(lines);
    assert!(
        found.starts_with("shop.toml:5:6: error: public.customers.birth_date: masker email cannot apply to type date"),
        "{found}"
    );
    let decision = decide(&bound(lines), &select("public.customers", &["birth_date"]), &["agent"]);
    assert_eq!(decision.verdict, Verdict::Block);
}

#[test]
fn types_of_every_kind_can_be_redacted() {
    let columns = [
        "contact", "tags", "doc", "token", "score", "raw", "active", "seen", "span", "addr", "nick", "mood", "small",
        "big",
    ];
    let lines: String = columns.iter().map(|c| format!("mask.{c} = 'redact'\n")).collect();
    let bound = bound(&format!("[table.\"public.profiles\"]\nclear = ['customer_id']\n{lines}"));
    assert!(bound.problems().is_empty(), "{}", bound.problems());
    for name in columns {
        assert_eq!(agent(&bound, "public.profiles", name), Some(Masker::Redact), "{name}");
    }
}

#[test]
fn masks_belong_to_tables_not_to_views() {
    let found = problems("[table.\"public.customer_contacts\"]\nmask.email = 'email'\n");
    assert!(
        found.contains("public.customer_contacts is a view: what it shows is masked where its tables are"),
        "{found}"
    );
}

#[test]
fn trust_in_what_does_not_exist_is_pointed_out() {
    let found = problems("[functions]\ntrust = ['public.order_total', 'public.nix', 'report.*']\n");
    assert!(
        found.contains("\"public.nix\" does not exist") && !found.contains("order_total") && !found.contains("report"),
        "{found}"
    );
}

fn is_masked(bound: &Bound, table: &str, name: &str) -> bool {
    let column = column(table, name);
    bound.view(&with_roles(&["agent"])).masked_columns().contains(column.table, column.attribute)
}

#[test]
fn columns_of_views_that_show_masked_ones_count_as_masked() {
    let lines = "[table.\"public.customers\"]\nunlisted = 'clear'\nmask.email = 'email'\nmask.birth_date = 'redact'\nmask.ssn = 'redact'\n";
    let bound = bound(lines);
    assert!(is_masked(&bound, "public.customer_contacts", "email"));
    assert!(is_masked(&bound, "public.vip", "contact"), "through a view of a view");
    assert!(is_masked(&bound, "public.mv_customers", "ref"), "a materialised view");
    assert!(is_masked(&bound, "staff.customers", "segment"), "under another name");
    assert!(is_masked(&bound, "public.adults", "label"), "computed from it");
    assert!(!is_masked(&bound, "public.customer_contacts", "full_name"));
    assert!(!is_masked(&bound, "public.order_totals", "total"));
    assert_eq!(agent(&bound, "public.mv_customers", "ref"), Some(Masker::Redact));
}

#[test]
fn whoever_may_not_touch_a_table_may_not_touch_its_children() {
    let bound = bound("[table.\"public.contractors\"]\nunlisted = 'clear'\nmask.tax = 'redact'\n");
    assert_eq!(decide(&bound, &select("public.contractors_eu", &["id"]), &["agent"]).verdict, Verdict::Block);
}
